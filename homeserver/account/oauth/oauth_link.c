/*
 * Codes that people type. They have eight of twenty consonants: no words come of them, nothing looks like something else, and with
 * some hundred waiting at once a guess is right once in a hundred million.
 */
#include "homeserver/account/oauth/oauth_link.h"

#include "homeserver/account/oauth/oauth_code.h"
#include "homeserver/account/oauth/oauth_registration.h"
#include "homeserver/account/oauth/web_session.h"
#include "http/uri.h"
#include "matrix/oauth_scope.h"
#include "storage/oauth.h"

enum {
	DEVICE_CODE_CHARS = 40,
	USER_CODE_CHARS = 8,
	USER_CODE_HALF = 4,
	ATTEMPTS = 3,
	JITTER_MS = 1000, /* that the way of a question may take less than that of the one before */
};

static const char letters[] = "BCDFGHJKLMNPQRSTVWXZ";

/* --- codes -------------------------------------------------------------------------------------------------- */

static struct str make_user_code(struct ctx *ctx, struct homeserver *hs)
{
	char *text = arena_alloc(ctx->arena, USER_CODE_CHARS);
	/* 20 divides 2^64 but for 16: no letter is likelier than others by anything that could be seen */
	for (size_t i = 0; i < USER_CODE_CHARS; i++) {
		text[i] = letters[rng_u64(&hs->rng) % (sizeof(letters) - 1)];
	}
	return str_from(text, USER_CODE_CHARS);
}

/* As it is stored, of what somebody typed; p == NULL when it is none. */
static struct str read_user_code(struct arena *arena, struct str typed)
{
	char *text = arena_alloc(arena, USER_CODE_CHARS);
	size_t n = 0;
	for (size_t i = 0; i < typed.n; i++) {
		char c = typed.p[i];
		c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
		if (c == '-' || c == ' ') {
			continue;
		}
		if (n == USER_CODE_CHARS || str_find_byte(str_of(letters), c) == SIZE_MAX) {
			return (struct str){0};
		}
		text[n++] = c;
	}
	return n == USER_CODE_CHARS && typed.n <= OAUTH_LINK_TYPED_MAX ? str_from(text, n)
																   : (struct str){0};
}

/* As devices show it. */
static struct str show_user_code(struct arena *arena, struct str code)
{
	struct str first = str_slice(code, 0, USER_CODE_HALF);
	struct str second = str_slice(code, USER_CODE_HALF, USER_CODE_CHARS);
	return str_printf(arena, "%.*s-%.*s", STR_ARG(first), STR_ARG(second));
}

struct str oauth_link_code(struct arena *arena, struct str typed)
{
	struct str code = read_user_code(arena, typed);
	return code.p != NULL ? show_user_code(arena, code) : code;
}

/* --- the device -------------------------------------------------------------------------------------------- */

/* A code that nobody else has: the first is, but for once in a very long time. */
static enum err store_new(struct ctx *ctx, struct homeserver *hs,
	struct oauth_device_grant_row *row)
{
	enum err err = ERR_CONFLICT;
	for (int attempt = 0; attempt < ATTEMPTS && err == ERR_CONFLICT; attempt++) {
		row->user_code = make_user_code(ctx, hs);
		err = store_oauth_device_grant_insert(ctx, hs->db, row);
	}
	return err == ERR_CONFLICT ? fail_cause(ctx, ERR_INTERNAL, "no free user code") : err;
}

static enum err check_begin(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct str scope, struct oauth_scope *out)
{
	struct oauth_client client;
	enum err err = oauth_client_load(ctx, hs, client_id, &client);
	if (err == ERR_MISSING) {
		return fail_status(ctx, ERR_INPUT, 401, OAUTH_INVALID_CLIENT,
			"This server does not know the client");
	}
	TRY(err);
	if ((client.grant_types & OAUTH_GRANT_DEVICE) == 0) {
		return fail(ctx, ERR_INPUT, OAUTH_UNAUTHORIZED_CLIENT,
			"The client did not register this grant type");
	}
	return oauth_scope_parse(ctx->arena, scope, out)
		? ERR_OK
		: fail(ctx, ERR_INPUT, OAUTH_INVALID_SCOPE,
			  "scope must have urn:matrix:client:api:* and one urn:matrix:client:device:ID");
}

enum err oauth_link_begin(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct str scope, struct oauth_link *out)
{
	struct arena *arena = ctx->arena;
	struct oauth_scope checked;
	TRY(check_begin(ctx, hs, client_id, scope, &checked));
	struct str text = rng_text(&hs->rng, arena, DEVICE_CODE_CHARS);
	out->device_code = str_printf(arena, "bfd_%.*s", STR_ARG(text));
	struct oauth_device_grant_row row = {
		.device_code_hash = token_hash(arena, out->device_code),
		.client_id = client_id,
		.scope = checked.text,
		.expires_at_ms = clock_wall_ms(&hs->clock) + OAUTH_LINK_LIFETIME_MS,
	};
	TRY(store_new(ctx, hs, &row));
	out->user_code = show_user_code(arena, row.user_code);
	out->url = hs_public_url(arena, hs, OAUTH_LINK_PATH);
	out->url_with_code =
		str_printf(arena, "%.*s?user_code=%.*s", STR_ARG(out->url), STR_ARG(out->user_code));
	return ERR_OK;
}

static enum err refuse_poll(struct ctx *ctx, const char *error, const char *text)
{
	return fail(ctx, ERR_INPUT, error, "%s", text);
}

enum err oauth_link_poll(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct str device_code, struct str *out_user_id, struct grant_consent *out)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct oauth_device_grant_row row;
	enum err err = store_oauth_device_grant_poll(ctx, hs->db, token_hash(ctx->arena, device_code),
		now_ms, &row);
	if (err == ERR_MISSING || (err == ERR_OK && !str_equals(row.client_id, client_id))) {
		return refuse_poll(ctx, OAUTH_INVALID_GRANT,
			"This code is not known, was used or is another client's");
	}
	TRY(err);
	if (now_ms >= row.expires_at_ms) {
		return refuse_poll(ctx, OAUTH_EXPIRED_TOKEN, "This code has ended; begin anew");
	}
	if (row.state == OAUTH_DEVICE_DENIED) {
		return refuse_poll(ctx, OAUTH_ACCESS_DENIED, "The user did not allow it");
	}
	if (row.state == OAUTH_DEVICE_PENDING) {
		return now_ms - row.polled_at_ms < OAUTH_LINK_INTERVAL_MS - JITTER_MS
			? refuse_poll(ctx, OAUTH_SLOW_DOWN, "Ask less often")
			: refuse_poll(ctx, OAUTH_AUTHORIZATION_PENDING, "The user has not answered yet");
	}
	*out_user_id = row.user_id;
	*out = (struct grant_consent){
		.hash = row.device_code_hash,
		.client_id = row.client_id,
		.scope = row.scope,
	};
	return ERR_OK;
}

/* --- the person ---------------------------------------------------------------------------------------------- */

enum err oauth_link_find(struct ctx *ctx, struct homeserver *hs, struct str user_code,
	struct oauth_request *out)
{
	struct oauth_device_grant_row row;
	struct oauth_scope scope;
	struct str code = read_user_code(ctx->arena, user_code);
	if (code.p == NULL) {
		return ERR_MISSING;
	}
	TRY(store_oauth_device_grant_find(ctx, hs->db, code, clock_wall_ms(&hs->clock), &row));
	*out = (struct oauth_request){.issuer = oauth_issuer(ctx->arena, hs), .scope = row.scope};
	if (!oauth_scope_parse(ctx->arena, row.scope, &scope)) {
		return fail_cause(ctx, ERR_INTERNAL, "a log-in of a device without a scope");
	}
	out->device_id = scope.device_id;
	return oauth_client_load(ctx, hs, row.client_id, &out->client);
}

enum err oauth_link_decide(struct ctx *ctx, struct homeserver *hs, struct str user_code,
	const struct web_session *session, bool is_allowed)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	struct str code = read_user_code(ctx->arena, user_code);
	if (code.p == NULL) {
		return ERR_MISSING;
	}
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(oauth_hold_account(ctx, hs, tx, session));
	TRY(store_oauth_device_grant_decide(ctx, tx, code, session->user_id,
		is_allowed ? OAUTH_DEVICE_APPROVED : OAUTH_DEVICE_DENIED, clock_wall_ms(&hs->clock)));
	return tx_commit(ctx, &tx);
}
