/*
 * A ping goes where transactions go, with the same token. One that arrives also ends the pause of a service that could not be reached.
 */
#include "appservices/ping_routes.h"

#include "appservices/as_ping.h"
#include "appservices/as_queue.h"
#include "base/utf8.h"

enum { BODY_SHOWN_BYTES = 4096 };

static enum err fail_bad_status(struct ctx *ctx, const struct fetched *answer)
{
	struct buf extra CLEANUP(buf_fini);
	struct str body = str_slice(answer->body, 0, BODY_SHOWN_BYTES);
	buf_init(&extra, (size_t)16 * BODY_SHOWN_BYTES);
	buf_printf(&extra, "\"status\":%d", answer->status);
	if (utf8_is_valid(body)) {
		buf_add_lit(&extra, ",\"body\":");
		json_escape(&extra, body);
	}
	enum err err = fail_status(ctx, ERR_REMOTE, 502, M_BAD_STATUS,
		"The ping was answered with status %d", answer->status);
	ctx->fault.extra = str_dup(ctx->arena, buf_str(&extra));
	return err;
}

static enum err fail_unreached(struct ctx *ctx, enum err err)
{
	if (err == ERR_TIMEOUT) {
		return fail_status(ctx, err, 504, M_CONNECTION_TIMEOUT,
			"The application service did not answer in time");
	}
	if (err == ERR_SHUTDOWN || err == ERR_DEFER) {
		return err;
	}
	return fail_status(ctx, ERR_REMOTE, 502, M_CONNECTION_FAILED,
		"The application service could not be reached");
}

static enum err write_body(struct call *call, struct str *out)
{
	const struct json *body;
	struct str transaction_id;
	struct buf buf CLEANUP(buf_fini) = {0};
	struct json_out json;
	TRY(call_json_optional(call, &body));
	TRY(body_opt_str(call, body, "transaction_id", &transaction_id));
	buf_init(&buf, 6 * transaction_id.n + 64);
	json_out_init(&json, &buf);
	json_out_object(&json);
	if (transaction_id.p != NULL) {
		json_out_key_str(&json, "transaction_id", transaction_id);
	}
	json_out_end(&json);
	*out = str_dup(call->ctx.arena, buf_str(&buf));
	return ERR_OK;
}

static enum err ping(struct call *call, const struct appservice *service, int64_t *out_ms)
{
	struct homeserver *hs = hs_of(call);
	struct as_pong pong;
	struct str body;
	if (service->reg.url.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_URL_NOT_SET,
			"The application service is registered without a URL");
	}
	TRY(write_body(call, &body));
	enum err err = as_ping(&call->ctx, hs->http_client, service, body,
		as_ping_timeout_ms(&hs->settings), &pong);
	if (err != ERR_OK) {
		return fail_unreached(&call->ctx, err);
	}
	*out_ms = pong.duration_ms;
	return pong.is_well ? ERR_OK : fail_bad_status(&call->ctx, &pong.answer);
}

static enum err post_ping(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str id = principal_of(call)->appservice_id;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = appservices_hold(hs->appservices);
	const struct appservice *service = appservice_by_id(set, call_path(call, "appserviceId"));
	int64_t duration_ms;
	if (service == NULL || !str_equals(service->reg.id, id)) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			"That is not the application service whose token this is");
	}
	TRY(ping(call, service, &duration_ms));
	as_queue_heard_of(hs->as_queue, id);
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "duration_ms", duration_ms);
	json_out_end(out);
	return ERR_OK;
}

const struct route ping_routes[] = {
	{"pingAppservice", "POST", "/_matrix/client/v1/appservice/{appserviceId}/ping", AUTH_APPSERVICE,
		LANE_REMOTE, RATE_WRITE, 0, post_ping},
};
const size_t ping_route_count = COUNT_OF(ping_routes);
