/*
 * Codes. A row has what the code was asked for, so that nobody else can use it: client, address and challenge. A used one keeps its row until
 * its end, under another kind: whoever comes with it once more has a copy, and what it gave is ended (RFC 6749, 4.1.2).
 */
#include "homeserver/account/oauth/oauth_code.h"

#include "base/log.h"
#include "homeserver/account/grant.h"
#include "homeserver/account/login.h"
#include "homeserver/account/oauth/web_session.h"
#include "matrix/canonical.h"
#include "matrix/oauth_scope.h"
#include "storage/oauth.h"
#include "storage/secret.h"

/* A form's proof is of an address, which begins with "/": none is a code. */
struct str oauth_code_of(struct arena *arena, const struct oauth_request *request,
	const struct web_session *session)
{
	struct str purpose = str_printf(arena, "code\n%.*s", STR_ARG(request->query));
	struct str text = web_form_proof(arena, session->secret, purpose);
	return str_printf(arena, "bfc_%.*s", STR_ARG(text));
}

/* One that has ended is there for a while, and in the way of another. */
enum err oauth_code_find(struct ctx *ctx, struct homeserver *hs, struct tx *tx, struct str code)
{
	struct secret_row row;
	struct str hash = token_hash(ctx->arena, code);
	enum err err = store_secret_find_tx(ctx, tx, SECRET_OAUTH_CODE, hash, 0, &row);
	if (err == ERR_OK) {
		return row.expires_at_ms > clock_wall_ms(&hs->clock) ? ERR_OK : ERR_CONFLICT;
	}
	if (err == ERR_MISSING) {
		err = store_secret_find_tx(ctx, tx, SECRET_OAUTH_USED, hash, 0, &row);
	}
	return err == ERR_OK ? ERR_CONFLICT : err;
}

enum err oauth_code_make(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	const struct oauth_request *request, struct str user_id, struct str code)
{
	struct arena *arena = ctx->arena;
	struct json data = json_object(arena, 5);
	data = json_with(arena, &data, STR("client_id"), json_string(request->client.id));
	data = json_with(arena, &data, STR("redirect_uri"), json_string(request->redirect_uri));
	data = json_with(arena, &data, STR("scope"), json_string(request->scope));
	data = json_with(arena, &data, STR("code_challenge"), json_string(request->code_challenge));
	if (request->nonce.p != NULL) {
		data = json_with(arena, &data, STR("nonce"), json_string(request->nonce));
	}
	return store_secret_insert_tx(ctx, tx,
		&(struct secret_row){
			.kind = SECRET_OAUTH_CODE,
			.hash = token_hash(arena, code),
			.user_id = user_id,
			.data = canonical_text(arena, &data),
			.expires_at_ms = clock_wall_ms(&hs->clock) + OAUTH_CODE_LIFETIME_MS,
		});
}

static enum err refuse(struct ctx *ctx)
{
	return fail(ctx, ERR_INPUT, OAUTH_INVALID_GRANT,
		"This code is not known, has ended or was given to another request");
}

/* A code that was used: its session ends, unless the device has logged in anew since by another client. */
static enum err end_session_of(struct ctx *ctx, struct homeserver *hs, struct str hash)
{
	struct secret_row row;
	struct json data;
	struct oauth_scope scope;
	struct oauth_session_row session;
	TRY(store_secret_find(ctx, hs->db, SECRET_OAUTH_USED, hash, clock_wall_ms(&hs->clock), &row));
	if (json_parse(ctx->arena, row.data, NULL, &data, NULL) != JSON_OK ||
		!oauth_scope_parse(ctx->arena, json_get_str(&data, STR("scope")), &scope)) {
		return fail_cause(ctx, ERR_INTERNAL, "a code without a scope");
	}
	TRY(store_oauth_session_find(ctx, hs->db, row.user_id, scope.device_id, &session));
	if (str_equals(session.client_id, json_get_str(&data, STR("client_id")))) {
		log_warn(ctx->request_id, "oauth.code.reused", "ended=1");
		TRY(device_log_out(ctx, hs, session.user_id, session.device_id));
	}
	return ERR_OK;
}

enum err oauth_code_reused(struct ctx *ctx, struct homeserver *hs, struct str hash)
{
	enum err err = end_session_of(ctx, hs, hash);
	return err == ERR_OK || err == ERR_MISSING ? refuse(ctx) : err;
}

enum err oauth_code_check(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_code_proof *proof, struct oauth_identity *out_identity,
	struct grant_consent *out)
{
	struct secret_row row;
	struct json data;
	struct str hash = token_hash(ctx->arena, proof->code);
	enum err err =
		store_secret_find(ctx, hs->db, SECRET_OAUTH_CODE, hash, clock_wall_ms(&hs->clock), &row);
	if (err == ERR_MISSING) {
		return oauth_code_reused(ctx, hs, hash);
	}
	TRY(err);
	if (json_parse(ctx->arena, row.data, NULL, &data, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "a code without what it is for");
	}
	if (!str_equals(json_get_str(&data, STR("client_id")), proof->client_id) ||
		!str_equals(json_get_str(&data, STR("redirect_uri")), proof->redirect_uri) ||
		!oauth_verifier_fits(ctx->arena, proof->code_verifier,
			json_get_str(&data, STR("code_challenge")))) {
		return refuse(ctx);
	}
	*out_identity = (struct oauth_identity){
		.user_id = row.user_id,
		.client_id = proof->client_id,
		.nonce = json_get_str(&data, STR("nonce")),
	};
	*out = (struct grant_consent){
		.hash = hash,
		.client_id = proof->client_id,
		.scope = json_get_str(&data, STR("scope")),
	};
	return ERR_OK;
}
