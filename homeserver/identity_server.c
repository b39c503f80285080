/*
 * Only the identity server of the configuration is asked and told anything: an address that a client names is no reason to connect
 * anywhere. It may be one of the school's own network, since the administrator has named it. Others are asked only whether a key of
 * theirs is valid, which the specification demands of who redeems an invite.
 */
#include "homeserver/identity_server.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "http/memo_fetch.h"
#include "http/uri.h"
#include "matrix/canonical.h"
#include "matrix/json_make.h"
#include "matrix/x_matrix.h"

enum { ANSWER_MAX_BYTES = 64 * 1024, TIMEOUT_MS = 15000, TOKEN_MAX = 255 };

#define API "/_matrix/identity/v2"
#define TOKEN_BYTES STR("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.=_-")

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

/* Without the slash at its end. */
static struct str base_of(const struct homeserver *hs)
{
	struct str base = hs->settings.identity_server;
	base.n -= str_ends_with(base, STR("/")) ? 1 : 0;
	return base;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* @param body  NULL: a GET.  @param key  what is asked, for a request with a memo */
static enum err send(struct ctx *ctx, struct homeserver *hs, const char *path, struct str key,
	struct str authorization, const struct json *body, struct fetched *out)
{
	const struct fetch_header headers[] = {
		{STR("Content-Type"), STR("application/json")},
		{STR("Authorization"), authorization},
	};
	return memo_fetch(ctx, hs->http_client, key,
		&(struct fetch){
			.method = body != NULL ? "POST" : "GET",
			.url = str_printf(ctx->arena, "%.*s%s", STR_ARG(base_of(hs)), path),
			.headers = headers,
			.header_count = COUNT_OF(headers),
			.body = body != NULL ? canonical_text(ctx->arena, body) : (struct str){0},
			.answer_ceiling_bytes = ANSWER_MAX_BYTES,
			.timeout_ms = TIMEOUT_MS,
			.is_administrators = true,
		},
		out);
}

static enum err unusable(struct ctx *ctx)
{
	return fail(ctx, ERR_REMOTE, NULL, "The identity server gave no usable answer");
}

/* The identity server's refusal is handed on as it is, but for what the client would take for the end of its session here. */
static enum err hand_on(struct ctx *ctx, int status, const struct json *body)
{
	struct str errcode = json_get_str(body, STR("errcode"));
	struct str text = json_get_str(body, STR("error"));
	if (status < 400 || status >= 500 || errcode.n == 0) {
		return unusable(ctx);
	}
	if (status == 401 || str_equals(errcode, STR("M_UNKNOWN_TOKEN")) ||
		str_equals(errcode, STR("M_MISSING_TOKEN"))) {
		return fail(ctx, ERR_DENIED, M_UNAUTHORIZED,
			"The identity server does not know id_access_token");
	}
	return fail_status(ctx, ERR_DENIED, status, str_cstr(ctx->arena, errcode), "%.*s",
		STR_ARG(text));
}

/* Of the same question about an address a request has one answer. @param attempt  tells those apart that ask anew */
static struct str key_of(struct arena *arena, const char *path, const struct threepid_ask *ask,
	int attempt)
{
	return str_printf(arena, "%s %.*s %.*s %d", path, STR_ARG(ask->medium), STR_ARG(ask->address),
		attempt);
}

/* As a user who has an account there. @param out  an object; of a refusal, too */
static enum err ask_as_user(struct ctx *ctx, struct homeserver *hs, const char *path,
	struct str key, struct str token, const struct json *body, struct json *out)
{
	struct fetched answer;
	*out = (struct json){0};
	TRY(send(ctx, hs, path, key, str_printf(ctx->arena, "Bearer %.*s", STR_ARG(token)), body,
		&answer));
	if (json_parse(ctx->arena, answer.body, NULL, out, NULL) != JSON_OK ||
		out->type != JSON_OBJECT) {
		*out = json_object(ctx->arena, 0);
		return unusable(ctx);
	}
	return answer.status == 200 ? ERR_OK : hand_on(ctx, answer.status, out);
}

/* --- publishing --------------------------------------------------------------------------------------------------- */

enum err identity_server_bind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct bind_ask *ask, struct threepid_bind_row *out)
{
	struct json answer;
	struct json body = json_object(ctx->arena, 3);
	json_put(&body, STR("sid"), json_string(ask->sid));
	json_put(&body, STR("client_secret"), json_string(ask->client_secret));
	json_put(&body, STR("mxid"), json_string(user_id));
	TRY(ask_as_user(ctx, hs, API "/3pid/bind", ask->sid, ask->id_access_token, &body, &answer));
	*out = (struct threepid_bind_row){
		.medium = json_get_str(&answer, STR("medium")),
		.address = json_get_str(&answer, STR("address")),
		.id_server = ask->id_server,
	};
	return out->medium.n > 0 && out->address.n > 0 ? ERR_OK : unusable(ctx);
}

enum err identity_server_unbind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct threepid_bind_row *row)
{
	struct arena *arena = ctx->arena;
	struct fetched answer;
	struct json threepid = json_object(arena, 2);
	json_put(&threepid, STR("medium"), json_string(row->medium));
	json_put(&threepid, STR("address"), json_string(row->address));
	struct json body = json_object(arena, 2);
	json_put(&body, STR("mxid"), json_string(user_id));
	json_put(&body, STR("threepid"), threepid);
	const struct x_matrix_request request = {
		.method = STR("POST"),
		.uri = STR(API "/3pid/unbind"),
		.origin = hs->settings.server_name,
		.destination = {row->id_server},
		.content = &body,
	};
	struct str authorization = x_matrix_sign(arena, &request, &hs->signer);
	struct str key = str_printf(arena, "%.*s %.*s", STR_ARG(row->medium), STR_ARG(row->address));
	TRY(send(ctx, hs, API "/3pid/unbind", key, authorization, &body, &answer));
	return answer.status == 200
		? ERR_OK
		: fail(ctx, ERR_REMOTE, NULL, "The identity server refused with %d", answer.status);
}

/* --- looking up ----------------------------------------------------------------------------------------------------- */

/* How addresses are asked about. */
struct hashing {
	struct str algorithm; /* sha256, or none where it offers nothing else */
	struct str pepper;
};

static enum err read_hashing(struct ctx *ctx, struct homeserver *hs, const struct threepid_ask *ask,
	int attempt, struct hashing *out)
{
	struct json answer;
	const char *path = API "/hash_details";
	TRY(ask_as_user(ctx, hs, path, key_of(ctx->arena, path, ask, attempt), ask->id_access_token,
		NULL, &answer));
	const struct json *algorithms = json_at(&answer, "algorithms");
	*out = (struct hashing){.pepper = json_get_str(&answer, STR("lookup_pepper"))};
	for (size_t i = 0; json_is(algorithms, JSON_ARRAY) && i < algorithms->count; i++) {
		const struct json *offered = &algorithms->items[i];
		bool is_sha256 =
			json_is(offered, JSON_STRING) && str_equals(json_text(offered), STR("sha256"));
		if (is_sha256 ||
			(json_is(offered, JSON_STRING) && out->algorithm.p == NULL &&
				str_equals(json_text(offered), STR("none")))) {
			out->algorithm = json_text(offered);
		}
	}
	return out->algorithm.p != NULL && out->pepper.p != NULL ? ERR_OK : unusable(ctx);
}

/* Spec: identity service API, "Performing a 3PID lookup" */
static struct str asked_as(struct arena *arena, const struct hashing *hashing,
	const struct threepid_ask *ask)
{
	bool is_mail = str_equals(ask->medium, STR("email"));
	struct str address = is_mail ? str_lower(arena, ask->address) : ask->address;
	struct str plain = str_printf(arena, "%.*s %.*s", STR_ARG(address), STR_ARG(ask->medium));
	if (!str_equals(hashing->algorithm, STR("sha256"))) {
		return plain;
	}
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(str_printf(arena, "%.*s %.*s", STR_ARG(plain), STR_ARG(hashing->pepper)), hash);
	return b64_encode_url(arena, str_from((const char *)hash, sizeof hash));
}

static enum err look_up(struct ctx *ctx, struct homeserver *hs, const struct threepid_ask *ask,
	int attempt, struct user_id *out)
{
	struct hashing hashing;
	struct json answer;
	const char *path = API "/lookup";
	TRY(read_hashing(ctx, hs, ask, attempt, &hashing));
	struct str key = asked_as(ctx->arena, &hashing, ask);
	struct json address = json_string(key);
	struct json body = json_object(ctx->arena, 3);
	json_put(&body, STR("addresses"), json_array_of(&address, 1));
	json_put(&body, STR("algorithm"), json_string(hashing.algorithm));
	json_put(&body, STR("pepper"), json_string(hashing.pepper));
	TRY(ask_as_user(ctx, hs, path, key_of(ctx->arena, path, ask, attempt), ask->id_access_token,
		&body, &answer));
	struct str found = json_get_str(json_at(&answer, "mappings"), key);
	*out = (struct user_id){0};
	return found.p == NULL || user_id_parse(found, out) ? ERR_OK : unusable(ctx);
}

enum err identity_server_lookup(struct ctx *ctx, struct homeserver *hs,
	const struct threepid_ask *ask, struct user_id *out)
{
	enum err err = look_up(ctx, hs, ask, 1, out);
	if (err == ERR_DENIED && str_equals(str_of(ctx->fault.errcode), STR("M_INVALID_PEPPER"))) {
		ctx->fault = (struct fault){0}; /* it changed between the two requests */
		return look_up(ctx, hs, ask, 2, out);
	}
	return err;
}

/* --- invites --------------------------------------------------------------------------------------------------------- */

static bool is_token(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (str_find_byte(TOKEN_BYTES, text.p[i]) == SIZE_MAX) {
			return false;
		}
	}
	return text.n > 0 && text.n <= TOKEN_MAX;
}

static bool are_public_keys(const struct json *keys)
{
	if (!json_is(keys, JSON_ARRAY) || keys->count == 0) {
		return false;
	}
	for (size_t i = 0; i < keys->count; i++) {
		if (json_get_str(&keys->items[i], STR("public_key")).n == 0 ||
			json_get_str(&keys->items[i], STR("key_validity_url")).n == 0) {
			return false;
		}
	}
	return true;
}

enum err identity_server_keep_invite(struct ctx *ctx, struct homeserver *hs,
	const struct threepid_ask *ask, const struct json *about, struct kept_invite *out)
{
	struct json answer;
	const char *path = API "/store-invite";
	struct json body = json_with(ctx->arena, about, STR("medium"), json_string(ask->medium));
	body = json_with(ctx->arena, &body, STR("address"), json_string(ask->address));
	TRY(ask_as_user(ctx, hs, path, key_of(ctx->arena, path, ask, 1), ask->id_access_token, &body,
		&answer));
	const struct json *keys = json_at(&answer, "public_keys");
	*out = (struct kept_invite){
		.token = json_get_str(&answer, STR("token")),
		.display_name = json_get_str(&answer, STR("display_name")),
		.public_keys = keys,
	};
	return is_token(out->token) && out->display_name.p != NULL && are_public_keys(keys)
		? ERR_OK
		: unusable(ctx);
}

enum err identity_server_check_key(struct ctx *ctx, struct homeserver *hs, struct str validity_url,
	struct str public_key)
{
	struct fetched answer;
	struct json body;
	struct str own = str_printf(ctx->arena, "%.*s/_matrix/identity/", STR_ARG(base_of(hs)));
	struct str url = str_printf(ctx->arena, "%.*s%cpublic_key=%.*s", STR_ARG(validity_url),
		str_contains(validity_url, STR("?")) ? '&' : '?',
		STR_ARG(uri_encode(ctx->arena, public_key)));
	TRY(memo_fetch(ctx, hs->http_client, url,
		&(struct fetch){
			.method = "GET",
			.url = url,
			.answer_ceiling_bytes = ANSWER_MAX_BYTES,
			.timeout_ms = TIMEOUT_MS,
			.is_administrators =
				hs->settings.identity_server.n > 0 && str_starts_with(validity_url, own),
		},
		&answer));
	if (answer.status != 200 || json_parse(ctx->arena, answer.body, NULL, &body, NULL) != JSON_OK ||
		!json_is(json_at(&body, "valid"), JSON_BOOL)) {
		return unusable(ctx);
	}
	return json_at(&body, "valid")->boolean
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_FORBIDDEN, "The identity server's key is not valid any more");
}
