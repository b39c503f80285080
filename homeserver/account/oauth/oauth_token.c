/*
 * The token endpoint. Each grant type finds out what was allowed to whom; what follows is one transaction, which uses the consent up and opens the
 * session (grant.c).
 */
#include "homeserver/account/oauth/oauth_token.h"

#include "base/utf8.h"
#include "homeserver/account/login.h"
#include "homeserver/account/oauth/oauth_code.h"
#include "homeserver/account/oauth/oauth_link.h"
#include "homeserver/account/oauth/oauth_registration.h"
#include "homeserver/account/refresh.h"
#include "matrix/oauth_scope.h"
#include "storage/oauth.h"

enum { DEVICE_NAME_CHARS = 100 };

static enum err refuse(struct ctx *ctx, const char *error, const char *text)
{
	return fail(ctx, ERR_INPUT, error, "%s", text);
}

/* What was refused with words of the legacy API, or a page's. */
static enum err as_invalid_grant(struct ctx *ctx)
{
	struct str text = ctx->fault.text;
	return fail(ctx, ERR_INPUT, OAUTH_INVALID_GRANT, "%.*s", STR_ARG(text));
}

/* A parameter that the grant type needs. */
static enum err need(struct ctx *ctx, const struct oauth_params *params, const char *name,
	struct str *out)
{
	*out = oauth_param(params, name);
	return out->p != NULL ? ERR_OK
						  : fail(ctx, ERR_INPUT, OAUTH_INVALID_REQUEST, "%s is missing", name);
}

/* --- what was allowed ------------------------------------------------------------------------------------------ */

/* As a device may be called. */
static struct str device_name_of(const struct oauth_client *client)
{
	size_t at = 0;
	for (size_t chars = 0; at < client->name.n && chars < DEVICE_NAME_CHARS; chars++) {
		(void)utf8_next(client->name, &at);
	}
	return client->name.p != NULL ? str_slice(client->name, 0, at) : (struct str){0};
}

/* Errors: MISSING (no fault text) when the consent was used up meanwhile */
static enum err open_session(struct ctx *ctx, struct homeserver *hs, struct grant_ask *ask,
	struct oauth_tokens *out)
{
	struct account_row account;
	struct oauth_scope scope;
	enum err err = oauth_check_account(ctx, hs, ask->user_id, &account);
	if (err == ERR_DENIED) {
		return as_invalid_grant(ctx);
	}
	TRY(err);
	if (!oauth_scope_parse(ctx->arena, ask->consent->scope, &scope)) {
		return fail_cause(ctx, ERR_INTERNAL, "a consent without a device");
	}
	ask->device_id = scope.device_id;
	out->scope = ask->consent->scope;
	err = grant_open(ctx, hs, ask, &out->grant);
	return err == ERR_DENIED || err == ERR_INPUT ? as_invalid_grant(ctx) : err;
}

static enum err give_for_code(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_params *params, struct grant_ask *ask, struct oauth_tokens *out)
{
	struct grant_consent *consent = ARENA_NEW(ctx->arena, struct grant_consent);
	struct oauth_identity identity;
	struct oauth_scope scope;
	struct oauth_code_proof proof = {.client_id = oauth_param(params, "client_id")};
	TRY(need(ctx, params, "code", &proof.code));
	TRY(need(ctx, params, "redirect_uri", &proof.redirect_uri));
	TRY(need(ctx, params, "code_verifier", &proof.code_verifier));
	TRY(oauth_code_check(ctx, hs, &proof, &identity, consent));
	ask->user_id = identity.user_id;
	ask->consent = consent;
	enum err err = open_session(ctx, hs, ask, out);
	if (err == ERR_OK && oauth_scope_parse(ctx->arena, consent->scope, &scope) &&
		scope.has_openid) {
		out->id_token = oauth_id_token(ctx->arena, hs, &identity);
	}
	return err == ERR_MISSING ? oauth_code_reused(ctx, hs, consent->hash) : err;
}

static enum err give_for_link(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_params *params, struct grant_ask *ask, struct oauth_tokens *out)
{
	struct str device_code;
	struct grant_consent *consent = ARENA_NEW(ctx->arena, struct grant_consent);
	TRY(need(ctx, params, "device_code", &device_code));
	TRY(oauth_link_poll(ctx, hs, oauth_param(params, "client_id"), device_code, &ask->user_id,
		consent));
	ask->consent = consent;
	enum err err = open_session(ctx, hs, ask, out);
	return err == ERR_MISSING ? refuse(ctx, OAUTH_INVALID_GRANT, "This code was used") : err;
}

static enum err give_for_refresh(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_params *params, struct oauth_tokens *out)
{
	struct str token;
	TRY(need(ctx, params, "refresh_token", &token));
	enum err err = refresh_oauth_tokens(ctx, hs, token, oauth_param(params, "client_id"),
		&out->grant, &out->scope);
	if (err != ERR_DENIED) {
		return err;
	}
	return str_equals(str_of(ctx->fault.errcode), STR(M_USER_LOCKED))
		? fail_status(ctx, ERR_INPUT, 503, OAUTH_TEMPORARILY_UNAVAILABLE,
			  "This account has been locked; the session goes on when it is unlocked")
		: as_invalid_grant(ctx);
}

/* --- asking for it ---------------------------------------------------------------------------------------------- */

/* The client, and whether it registered the grant type. */
static enum err check_client(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	enum oauth_grant_type type, struct oauth_client *out)
{
	enum err err = oauth_client_load(ctx, hs, client_id, out);
	if (err == ERR_MISSING) {
		return fail_status(ctx, ERR_INPUT, 401, OAUTH_INVALID_CLIENT,
			"This server does not know the client");
	}
	TRY(err);
	return (out->grant_types & type) != 0
		? ERR_OK
		: refuse(ctx, OAUTH_UNAUTHORIZED_CLIENT, "The client did not register this grant type");
}

enum err oauth_tokens_give(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_params *params, const struct grant_ask *from, struct oauth_tokens *out)
{
	struct str word;
	enum oauth_grant_type type;
	struct oauth_client client;
	TRY(need(ctx, params, "grant_type", &word));
	if (!oauth_grant_type_parse(word, &type)) {
		return refuse(ctx, OAUTH_UNSUPPORTED_GRANT_TYPE, "This grant type is not supported");
	}
	TRY(check_client(ctx, hs, oauth_param(params, "client_id"), type, &client));
	struct grant_ask ask = *from;
	*out = (struct oauth_tokens){0};
	ask.display_name = device_name_of(&client);
	switch (type) {
	case OAUTH_GRANT_CODE:
		return give_for_code(ctx, hs, params, &ask, out);
	case OAUTH_GRANT_REFRESH:
		return give_for_refresh(ctx, hs, params, out);
	case OAUTH_GRANT_DEVICE:
		return give_for_link(ctx, hs, params, &ask, out);
	}
	return fail_cause(ctx, ERR_INTERNAL, "no such grant type");
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

/* The device of a token; of a refresh token also when that was replaced. */
static enum err find_device(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct oauth_session_row *out)
{
	struct str family = grant_family(token);
	enum err err = store_oauth_token_find(ctx, hs->db, token_hash(ctx->arena, token), out);
	return err == ERR_MISSING && family.p != NULL
		? store_oauth_session_by_family(ctx, hs->db, token_hash(ctx->arena, family), out)
		: err;
}

enum err oauth_revoke(struct ctx *ctx, struct homeserver *hs, struct str token)
{
	struct oauth_session_row session;
	if (token.p == NULL) {
		return refuse(ctx, OAUTH_INVALID_REQUEST, "token is missing");
	}
	enum err err = find_device(ctx, hs, token, &session);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? ERR_OK : err;
	}
	return device_log_out(ctx, hs, session.user_id, session.device_id);
}
