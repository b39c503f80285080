/*
 * What a client asks of a person, and the answer. A client is known by its redirect address alone, so until client and address are
 * known to belong together nothing is sent there.
 */
#include "homeserver/account/grant.h"
#include "homeserver/account/oauth/oauth_code.h"
#include "homeserver/account/oauth/oauth_id_token.h"
#include "homeserver/account/oauth/oauth_params.h"
#include "homeserver/account/oauth/oauth_registration.h"
#include "homeserver/account/oauth/web_session.h"
#include "matrix/oauth_scope.h"
#include "storage/account.h"
#include "storage/secret.h"

enum { LOGIN_HINT_MAX_BYTES = 255 };

bool oauth_is_on(const struct homeserver *hs)
{
	return hs->settings.account.oauth_is_on && hs->settings.public_base_url.n > 0;
}

enum err oauth_require_on(struct ctx *ctx, const struct homeserver *hs)
{
	return oauth_is_on(hs)
		? ERR_OK
		: fail(ctx, ERR_MISSING, M_UNRECOGNIZED, "This server does not support the OAuth 2.0 API");
}

struct str oauth_issuer(struct arena *arena, const struct homeserver *hs)
{
	return hs_public_url(arena, hs, OAUTH_PATH "/");
}

/* --- reading ------------------------------------------------------------------------------------------------ */

static enum err refuse(struct ctx *ctx, const char *error, const char *text)
{
	return fail(ctx, ERR_DENIED, error, "%s", text);
}

/* Client and address: what has to be right before the browser is sent anywhere. */
static enum err read_client(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_params *params, struct oauth_request *out)
{
	out->redirect_uri = oauth_param(params, "redirect_uri");
	if (oauth_params_repeat(params, "client_id") || oauth_params_repeat(params, "redirect_uri")) {
		return fail(ctx, ERR_INPUT, OAUTH_INVALID_REQUEST,
			"The address names two clients or two places to go back to");
	}
	enum err err = oauth_client_load(ctx, hs, oauth_param(params, "client_id"), &out->client);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_INPUT, OAUTH_INVALID_CLIENT, "This server does not know the client");
	}
	TRY(err);
	return oauth_client_has_redirect(ctx->arena, &out->client, out->redirect_uri)
		? ERR_OK
		: fail(ctx, ERR_INPUT, OAUTH_INVALID_REQUEST,
			  "The client did not register the place to go back to");
}

/* How the answer is sent: read before what may be refused, since the refusal is sent so too. */
static enum err read_response(struct ctx *ctx, const struct oauth_params *params,
	struct oauth_request *out)
{
	struct str mode = oauth_param(params, "response_mode");
	struct str type = oauth_param(params, "response_type");
	out->state = oauth_param(params, "state");
	out->is_fragment = str_equals(mode, STR("fragment"));
	if (oauth_params_repeat(params, NULL)) {
		return refuse(ctx, OAUTH_INVALID_REQUEST, "A parameter stands there twice");
	}
	if (mode.p != NULL && !out->is_fragment && !str_equals(mode, STR("query"))) {
		return refuse(ctx, OAUTH_INVALID_REQUEST, "response_mode must be query or fragment");
	}
	if (type.p == NULL) {
		return refuse(ctx, OAUTH_INVALID_REQUEST, "response_type is missing");
	}
	if (!str_equals(type, STR("code"))) {
		return refuse(ctx, OAUTH_UNSUPPORTED_RESPONSE_TYPE, "response_type must be code");
	}
	return (out->client.grant_types & OAUTH_GRANT_CODE) != 0
		? ERR_OK
		: refuse(ctx, OAUTH_UNAUTHORIZED_CLIENT,
			  "The client did not register the grant type authorization_code");
}

static enum err read_scope(struct ctx *ctx, struct str text, struct oauth_request *out)
{
	struct oauth_scope scope;
	if (!oauth_scope_parse(ctx->arena, text, &scope)) {
		return refuse(ctx, OAUTH_INVALID_SCOPE,
			"scope must have urn:matrix:client:api:* and one urn:matrix:client:device:ID");
	}
	out->scope = scope.text;
	out->device_id = scope.device_id;
	return ERR_OK;
}

static enum err read_challenge(struct ctx *ctx, const struct oauth_params *params,
	struct oauth_request *out)
{
	out->code_challenge = oauth_param(params, "code_challenge");
	return str_equals(oauth_param(params, "code_challenge_method"), STR("S256")) &&
			oauth_challenge_is_valid(out->code_challenge)
		? ERR_OK
		: refuse(ctx, OAUTH_INVALID_REQUEST,
			  "code_challenge with code_challenge_method S256 is needed");
}

/* Whom the client thinks it is. Each log-in is asked for anew, so nothing can be had without asking. */
static enum err read_prompt(struct ctx *ctx, const struct oauth_params *params,
	struct oauth_request *out)
{
	struct str prompt = oauth_param(params, "prompt");
	struct str hint = oauth_param(params, "login_hint");
	struct str nonce = oauth_param(params, "nonce");
	out->login_hint = hint.n <= LOGIN_HINT_MAX_BYTES ? hint : (struct str){0};
	out->nonce = nonce;
	if (nonce.n > OAUTH_NONCE_MAX_BYTES) {
		return refuse(ctx, OAUTH_INVALID_REQUEST, "nonce is too long");
	}
	out->wants_registration = oauth_has_word(prompt, STR("create"));
	return oauth_has_word(prompt, STR("none"))
		? refuse(ctx, OAUTH_LOGIN_REQUIRED, "The user has to be asked")
		: ERR_OK;
}

enum err oauth_request_read(struct ctx *ctx, struct homeserver *hs, struct str query,
	struct oauth_request *out)
{
	struct oauth_params params;
	*out = (struct oauth_request){.issuer = oauth_issuer(ctx->arena, hs), .query = query};
	if (!oauth_params_parse(ctx->arena, query, &params)) {
		return fail(ctx, ERR_INPUT, OAUTH_INVALID_REQUEST, "The address is malformed");
	}
	TRY(read_client(ctx, hs, &params, out));
	TRY(read_response(ctx, &params, out));
	TRY(read_scope(ctx, oauth_param(&params, "scope"), out));
	TRY(read_challenge(ctx, &params, out));
	return read_prompt(ctx, &params, out);
}

/* --- answering ---------------------------------------------------------------------------------------------- */

/* "a=b" pairs behind each other. */
static struct str add(struct arena *arena, struct str pairs, const char *name, struct str value)
{
	struct str encoded = uri_encode(arena, value);
	return value.p == NULL ? pairs
						   : str_printf(arena, "%.*s%s%s=%.*s", STR_ARG(pairs),
								 pairs.n > 0 ? "&" : "", name, STR_ARG(encoded));
}

struct str oauth_refusal_url(struct arena *arena, const struct oauth_request *request,
	const char *error, struct str description)
{
	struct str pairs = add(arena, STR(""), "error", str_of(error));
	pairs =
		add(arena, pairs, "error_description", description.n > 0 ? description : (struct str){0});
	pairs = add(arena, pairs, "state", request->state);
	pairs = add(arena, pairs, "iss", request->issuer);
	return oauth_redirect_with(arena, request->redirect_uri, request->is_fragment, pairs);
}

/* @param err  how looking it up went */
static enum err check_account(struct ctx *ctx, enum err err, const struct account_row *account)
{
	if (err == ERR_MISSING || (err == ERR_OK && account->state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_DENIED, OAUTH_ACCESS_DENIED, "There is no such account");
	}
	TRY(err);
	if (account->state == ACCOUNT_LOCKED) {
		return fail(ctx, ERR_DENIED, OAUTH_ACCESS_DENIED, "This account has been locked");
	}
	return account->is_guest ? fail(ctx, ERR_DENIED, OAUTH_ACCESS_DENIED, "Guests may not do this")
							 : ERR_OK;
}

enum err oauth_check_account(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct account_row *out)
{
	return check_account(ctx, store_account_find(ctx, hs->db, user_id, out), out);
}

enum err oauth_hold_account(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	const struct web_session *session)
{
	struct account_row account;
	struct secret_row row;
	if (session->user_id.p == NULL) {
		return fail(ctx, ERR_DENIED, OAUTH_ACCESS_DENIED, "You are signed out");
	}
	TRY(check_account(ctx, store_account_lock(ctx, tx, session->user_id, &account), &account));
	enum err err = store_secret_find_tx(ctx, tx, SECRET_WEB,
		token_hash(ctx->arena, session->secret), clock_wall_ms(&hs->clock), &row);
	return err == ERR_MISSING
		? fail(ctx, ERR_DENIED, OAUTH_ACCESS_DENIED, "You have been signed out meanwhile")
		: err;
}

enum err oauth_allow(struct ctx *ctx, struct homeserver *hs, const struct oauth_request *request,
	const struct web_session *session, struct str *out_url)
{
	struct str code = oauth_code_of(ctx->arena, request, session);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err held = oauth_hold_account(ctx, hs, tx, session);
	enum err err = held != ERR_OK && held != ERR_DENIED ? held : oauth_code_find(ctx, hs, tx, code);
	if (err == ERR_MISSING) {
		TRY(held);
		err = oauth_code_make(ctx, hs, tx, request, session->user_id, code);
	}
	TRY(err);
	TRY(tx_commit(ctx, &tx));
	ctx->fault = (struct fault){0};
	struct str pairs = add(ctx->arena, STR(""), "code", code);
	pairs = add(ctx->arena, pairs, "state", request->state);
	pairs = add(ctx->arena, pairs, "iss", request->issuer);
	*out_url = oauth_redirect_with(ctx->arena, request->redirect_uri, request->is_fragment, pairs);
	return ERR_OK;
}
