/*
 * Devices and their tokens. A token is a prefix, by which scanners of leaked secrets know it, and 40 characters
 * from the operating system; the database sees its SHA-256 only. The refresh tokens of an OAuth session have another 20 in front,
 * which stay the same: so one that was used up long ago still tells whose it was, without a row for each.
 */
#include "homeserver/account/grant.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "homeserver/account/session.h"
#include "storage/account.h"
#include "storage/device.h"
#include "storage/device_key.h"
#include "storage/oauth.h"
#include "storage/token.h"

enum {
	TOKEN_CHARS = 40,
	FAMILY_CHARS = 20,
	OAUTH_TOKEN_LIFETIME_MS = 60 * 60 * 1000, /* where others do not end: "MUST be short-lived" */
	DEVICE_ID_CHARS = 10,
	DEVICE_ID_MAX_BYTES = 255,
	DEVICE_NAME_MAX_CHARS = 100
};

#define REFRESH_PREFIX "bfr_"

/* --- asking ------------------------------------------------------------------------------------------ */

enum err device_name_check(struct ctx *ctx, struct str display_name)
{
	if (utf8_length(display_name) > DEVICE_NAME_MAX_CHARS) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE,
			"The name of a device may have at most %d characters", DEVICE_NAME_MAX_CHARS);
	}
	if (str_find_byte(display_name, '\0') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The name of a device may not hold U+0000");
	}
	return ERR_OK;
}

enum err device_id_check(struct ctx *ctx, struct str device_id)
{
	bool is_good = device_id.n > 0 && device_id.n <= DEVICE_ID_MAX_BYTES;
	for (size_t i = 0; i < device_id.n; i++) {
		is_good = is_good && (unsigned char)device_id.p[i] >= 0x20 && device_id.p[i] != 0x7F;
	}
	return is_good
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			  "'device_id' must have 1 to %d bytes and no control characters", DEVICE_ID_MAX_BYTES);
}

void grant_ask_from(struct call *call, struct grant_ask *out)
{
	*out = (struct grant_ask){
		.address = call_client_address(call),
		.user_agent = session_user_agent(call),
	};
}

enum err grant_ask_read(struct call *call, const struct json *body, struct grant_ask *out)
{
	grant_ask_from(call, out);
	TRY(body_opt_str(call, body, "device_id", &out->device_id));
	TRY(body_opt_str(call, body, "initial_device_display_name", &out->display_name));
	TRY(body_opt_bool(call, body, "refresh_token", false, &out->wants_refresh_token));
	if (out->device_id.p != NULL) {
		TRY(device_id_check(&call->ctx, out->device_id));
	}
	return device_name_check(&call->ctx, out->display_name);
}

enum err device_id_check_unlike_key(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id)
{
	struct device_key_facts facts;
	TRY(store_device_key_facts(ctx, hs->db, user_id, device_id, &facts));
	return facts.is_cross_signing_name
		? fail(ctx, ERR_DENIED, M_FORBIDDEN,
			  "A device cannot be called like one of the user's cross-signing keys")
		: ERR_OK;
}

/* --- giving ------------------------------------------------------------------------------------------ */

struct str token_hash(struct arena *arena, struct str token)
{
	unsigned char *hash = arena_alloc(arena, SHA256_BYTES);
	crypto_sha256(token, hash);
	return str_from((const char *)hash, SHA256_BYTES);
}

static struct str make_token(struct ctx *ctx, struct homeserver *hs, const char *prefix)
{
	struct str text = rng_text(&hs->rng, ctx->arena, TOKEN_CHARS);
	return str_printf(ctx->arena, "%s%.*s", prefix, STR_ARG(text));
}

void grant_make_tokens(struct ctx *ctx, struct homeserver *hs, bool with_refresh_token,
	struct str family, struct grant *out)
{
	out->access_token = make_token(ctx, hs, "bfa_");
	out->refresh_token = (struct str){0};
	out->expires_in_ms = 0;
	if (with_refresh_token) {
		const char *prefix = family.p == NULL
			? REFRESH_PREFIX
			: str_printf(ctx->arena, REFRESH_PREFIX "%.*s_", STR_ARG(family)).p;
		out->refresh_token = make_token(ctx, hs, prefix);
		out->expires_in_ms = hs->settings.access_token_lifetime_ms;
	}
	if (family.p != NULL && out->expires_in_ms == 0) {
		out->expires_in_ms = OAUTH_TOKEN_LIFETIME_MS;
	}
}

struct str grant_family(struct str refresh_token)
{
	struct str family;
	struct str rest;
	return str_starts_with(refresh_token, STR(REFRESH_PREFIX)) &&
			str_split(str_slice(refresh_token, sizeof(REFRESH_PREFIX) - 1, refresh_token.n), '_',
				&family, &rest)
		? family
		: (struct str){0};
}

void grant_rows(struct ctx *ctx, struct homeserver *hs, const struct grant *grant,
	struct token_pair *out)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	int64_t refresh_life_ms = hs->settings.refresh_token_lifetime_ms;
	*out = (struct token_pair){
		.user_id = grant->user_id,
		.device_id = grant->device_id,
		.token_hash = token_hash(ctx->arena, grant->access_token),
		.expires_at_ms = grant->expires_in_ms > 0 ? now_ms + grant->expires_in_ms : 0,
		.now_ms = now_ms,
	};
	if (grant->refresh_token.p != NULL) {
		out->refresh_hash = token_hash(ctx->arena, grant->refresh_token);
		out->refresh_expires_at_ms = refresh_life_ms > 0 ? now_ms + refresh_life_ms : 0;
	}
}

/* The account has to be what it was when the password was checked. */
static enum err check_unchanged(struct ctx *ctx, struct tx *tx, const struct grant_ask *ask)
{
	struct account_row account;
	enum err err = store_account_lock(ctx, tx, ask->user_id, &account);
	if (err != ERR_OK && err != ERR_MISSING) {
		return err;
	}
	if (err == ERR_MISSING || account.state == ACCOUNT_DEACTIVATED ||
		(ask->password_hash.p != NULL && !str_equals(account.password_hash, ask->password_hash))) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Wrong user name or password");
	}
	return ERR_OK;
}

/* Uses the consent up; the account is locked, so nobody takes it back meanwhile. */
static enum err spend(struct ctx *ctx, struct tx *tx, const struct grant_ask *ask, int64_t now_ms)
{
	return ask->consent == NULL
		? ERR_OK
		: store_oauth_consent_spend(ctx, tx, ask->user_id, ask->consent->hash, now_ms);
}

/* Whose client the device is from now on. */
static enum err store_client(struct ctx *ctx, struct tx *tx, const struct grant_ask *ask,
	const struct grant *grant, int64_t now_ms)
{
	if (ask->consent == NULL) {
		return ERR_OK;
	}
	return store_oauth_session_insert(ctx, tx,
		&(struct oauth_session_row){
			.user_id = grant->user_id,
			.device_id = grant->device_id,
			.client_id = ask->consent->client_id,
			.family_hash = token_hash(ctx->arena, grant_family(grant->refresh_token)),
			.scope = ask->consent->scope,
			.now_ms = now_ms,
		});
}

static enum err store_grant(struct ctx *ctx, struct homeserver *hs, const struct grant_ask *ask,
	const struct grant *grant)
{
	struct token_pair pair;
	grant_rows(ctx, hs, grant, &pair);
	pair.is_confirmed = true;
	struct device_row device = {
		.device_id = grant->device_id,
		.display_name = ask->display_name,
		.last_seen_ms = pair.now_ms,
		.last_seen_ip = ask->address,
		.last_seen_user_agent = ask->user_agent,
	};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(check_unchanged(ctx, tx, ask));
	TRY(spend(ctx, tx, ask, pair.now_ms));
	TRY(store_device_upsert(ctx, tx, grant->user_id, &device));
	if (ask->device_id.p != NULL) {
		TRY(store_token_delete_device(ctx, tx, grant->user_id, grant->device_id));
	}
	TRY(store_client(ctx, tx, ask, grant, pair.now_ms));
	TRY(store_token_insert(ctx, tx, &pair));
	return tx_commit(ctx, &tx);
}

enum err grant_open(struct ctx *ctx, struct homeserver *hs, const struct grant_ask *ask,
	struct grant *out)
{
	out->user_id = ask->user_id;
	out->device_id = ask->device_id.p != NULL ? ask->device_id
											  : rng_upper(&hs->rng, ctx->arena, DEVICE_ID_CHARS);
	if (ask->device_id.p != NULL) {
		TRY(device_id_check_unlike_key(ctx, hs, out->user_id, out->device_id));
	}
	struct str family =
		ask->consent != NULL ? rng_text(&hs->rng, ctx->arena, FAMILY_CHARS) : (struct str){0};
	grant_make_tokens(ctx, hs, ask->wants_refresh_token || family.p != NULL, family, out);
	TRY(store_grant(ctx, hs, ask, out));
	if (ask->device_id.p != NULL) {
		sessions_forget_device(hs, out->user_id, out->device_id);
	}
	return ERR_OK;
}

void grant_write(struct json_out *out, const struct grant *grant)
{
	json_out_key_str(out, "user_id", grant->user_id);
	json_out_key_str(out, "device_id", grant->device_id);
	json_out_key_str(out, "access_token", grant->access_token);
	if (grant->refresh_token.p != NULL) {
		json_out_key_str(out, "refresh_token", grant->refresh_token);
	}
	if (grant->expires_in_ms > 0) {
		json_out_key_int(out, "expires_in_ms", grant->expires_in_ms);
	}
}
