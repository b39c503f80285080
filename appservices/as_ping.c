/*
 * A ping goes where transactions go, with the same token, but has no older path: services that know only that one do not know it.
 */
#include "appservices/as_ping.h"

#include "appservices/as_call.h"

enum { TIMEOUT_MS = 20 * 1000, ANSWER_CEILING_BYTES = 64 * 1024 };

int64_t as_ping_timeout_ms(const struct settings *settings)
{
	return MIN_OF((int64_t)TIMEOUT_MS, settings->appservices.transaction_timeout_ms);
}

enum err as_ping(struct ctx *ctx, struct http_client *client, const struct appservice *service,
	struct str body, int64_t timeout_ms, struct as_pong *out)
{
	const struct as_request request = {
		.service = service,
		.method = "POST",
		.path = STR("/_matrix/app/v1/ping"),
		.body = body,
		.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
		.timeout_ms = timeout_ms,
	};
	int64_t begun_us = clock_mono_us();
	TRY(as_ask(ctx, client, &request, &out->answer));
	out->duration_ms = (clock_mono_us() - begun_us) / 1000;
	out->is_well = out->answer.status >= 200 && out->answer.status < 300;
	return ERR_OK;
}
