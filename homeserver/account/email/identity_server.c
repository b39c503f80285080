/*
 * Only the identity server of the configuration is ever asked: an address that a client names is no reason to connect
 * anywhere.
 */
#include "homeserver/account/email/identity_server.h"

#include "http/client.h"
#include "matrix/canonical.h"
#include "matrix/x_matrix.h"

enum { ANSWER_MAX_BYTES = 64 * 1024, TIMEOUT_MS = 15000 };

#define BIND_PATH "/_matrix/identity/v2/3pid/bind"
#define UNBIND_PATH "/_matrix/identity/v2/3pid/unbind"

/* "https://id.example:8090/" → "id.example:8090" */
static struct str authority_of(struct str url)
{
	struct str rest = str_slice(url, str_starts_with(url, STR("https://")) ? 8 : 7, url.n);
	struct str host;
	struct str path;
	(void)str_split(rest, '/', &host, &path);
	return host;
}

enum err identity_server_check(struct ctx *ctx, const struct homeserver *hs, struct str id_server)
{
	struct str own = hs->settings.identity_server;
	return own.n > 0 && str_equals_nocase(authority_of(own), id_server)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_SERVER_NOT_TRUSTED, "This identity server is not trusted here");
}

static enum err post(struct ctx *ctx, struct homeserver *hs, const char *path,
	struct str authorization, const struct json *body, struct fetched *out)
{
	const struct fetch_header headers[] = {
		{STR("Content-Type"), STR("application/json")},
		{STR("Authorization"), authorization},
	};
	struct str base = hs->settings.identity_server;
	base.n -= str_ends_with(base, STR("/")) ? 1 : 0;
	return http_client_fetch(ctx, hs->http_client,
		&(struct fetch){
			.method = "POST",
			.url = str_printf(ctx->arena, "%.*s%s", STR_ARG(base), path),
			.headers = headers,
			.header_count = COUNT_OF(headers),
			.body = canonical_text(ctx->arena, body),
			.answer_ceiling_bytes = ANSWER_MAX_BYTES,
			.timeout_ms = TIMEOUT_MS,
		},
		out);
}

/* The identity server's refusal is handed on as it is; anything odd is its failure. */
static enum err hand_on(struct ctx *ctx, const struct fetched *answer)
{
	struct json body;
	bool is_json = json_parse(ctx->arena, answer->body, NULL, &body, NULL) == JSON_OK;
	struct str errcode = is_json ? json_get_str(&body, STR("errcode")) : (struct str){0};
	struct str text = is_json ? json_get_str(&body, STR("error")) : (struct str){0};
	if (answer->status < 400 || answer->status >= 500 || errcode.n == 0) {
		return fail(ctx, ERR_REMOTE, NULL, "The identity server gave no usable answer");
	}
	return fail_status(ctx, ERR_DENIED, answer->status, str_cstr(ctx->arena, errcode), "%.*s",
		STR_ARG(text));
}

enum err identity_server_bind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct bind_ask *ask, struct threepid_bind_row *out)
{
	struct fetched answer;
	struct json parsed;
	struct json body = json_object(ctx->arena, 3);
	body = json_with(ctx->arena, &body, STR("sid"), json_string(ask->sid));
	body = json_with(ctx->arena, &body, STR("client_secret"), json_string(ask->client_secret));
	body = json_with(ctx->arena, &body, STR("mxid"), json_string(user_id));
	TRY(post(ctx, hs, BIND_PATH,
		str_printf(ctx->arena, "Bearer %.*s", STR_ARG(ask->id_access_token)), &body, &answer));
	if (answer.status != 200) {
		return hand_on(ctx, &answer);
	}
	if (json_parse(ctx->arena, answer.body, NULL, &parsed, NULL) != JSON_OK) {
		return fail(ctx, ERR_REMOTE, NULL, "The identity server gave no usable answer");
	}
	*out = (struct threepid_bind_row){
		.medium = json_get_str(&parsed, STR("medium")),
		.address = json_get_str(&parsed, STR("address")),
		.id_server = ask->id_server,
	};
	return out->medium.n > 0 && out->address.n > 0
		? ERR_OK
		: fail(ctx, ERR_REMOTE, NULL, "The identity server gave no usable answer");
}

enum err identity_server_unbind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct threepid_bind_row *row)
{
	struct arena *arena = ctx->arena;
	struct fetched answer;
	struct json threepid = json_object(arena, 2);
	threepid = json_with(arena, &threepid, STR("medium"), json_string(row->medium));
	threepid = json_with(arena, &threepid, STR("address"), json_string(row->address));
	struct json body = json_object(arena, 2);
	body = json_with(arena, &body, STR("mxid"), json_string(user_id));
	body = json_with(arena, &body, STR("threepid"), threepid);
	const struct x_matrix_request request = {
		.method = STR("POST"),
		.uri = STR(UNBIND_PATH),
		.origin = hs->settings.server_name,
		.destination = {row->id_server},
		.content = &body,
	};
	struct str authorization = x_matrix_sign(arena, &request, &hs->signer);
	TRY(post(ctx, hs, UNBIND_PATH, authorization, &body, &answer));
	return answer.status == 200
		? ERR_OK
		: fail(ctx, ERR_REMOTE, NULL, "The identity server refused with %d", answer.status);
}
