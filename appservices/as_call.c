/*
 * One place that knows addresses, tokens and older paths.
 */
#include "appservices/as_call.h"

#include "http/uri.h"

struct as_fetch {
	struct fetch fetch;
	struct fetch_header headers[2];
};

bool as_is_unknown_path(int status)
{
	return status == 404 || status == 405 || status == 500 || status == 501;
}

static struct str url_of(struct arena *arena, const struct as_request *request, bool is_legacy)
{
	const struct registration *reg = &request->service->reg;
	struct str query = request->query;
	if (is_legacy) {
		query = str_printf(arena, "%.*s%saccess_token=%.*s", STR_ARG(query), query.n > 0 ? "&" : "",
			STR_ARG(uri_encode(arena, reg->hs_token)));
	}
	return str_printf(arena, "%.*s%.*s%s%.*s", STR_ARG(reg->url),
		STR_ARG(is_legacy ? request->legacy_path : request->path), query.n > 0 ? "?" : "",
		STR_ARG(query));
}

static void fill(struct arena *arena, const struct as_request *request, bool is_legacy,
	struct as_fetch *out)
{
	out->headers[0] = (struct fetch_header){STR("Authorization"),
		str_printf(arena, "Bearer %.*s", STR_ARG(request->service->reg.hs_token))};
	out->headers[1] = (struct fetch_header){STR("Content-Type"), STR("application/json")};
	out->fetch = (struct fetch){
		.method = request->method,
		.url = url_of(arena, request, is_legacy),
		.headers = out->headers,
		.header_count = request->body.p != NULL ? 2 : 1,
		.body = request->body,
		.answer_ceiling_bytes = request->answer_ceiling_bytes,
		.timeout_ms = request->timeout_ms,
		.is_administrators = true,
	};
}

void as_start(struct http_client *client, const struct as_request *request, bool is_legacy,
	fetch_finished *finished, void *data)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct as_fetch it;
	fill(arena, request, is_legacy, &it);
	http_client_start(client, &it.fetch, finished, data);
}

enum err as_ask(struct ctx *ctx, struct http_client *client, const struct as_request *request,
	struct fetched *out)
{
	struct as_fetch it;
	TRY(ctx_may_ask(ctx));
	fill(ctx->arena, request, false, &it);
	TRY(http_client_fetch(ctx, client, &it.fetch, out));
	if (request->legacy_path.p == NULL || !as_is_unknown_path(out->status)) {
		return ERR_OK;
	}
	struct fetched older;
	fill(ctx->arena, request, true, &it);
	if (http_client_fetch(ctx, client, &it.fetch, &older) == ERR_OK && older.status >= 200 &&
		older.status < 300) {
		*out = older;
	}
	return ERR_OK;
}
