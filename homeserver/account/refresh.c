/*
 * Rotation of tokens. A refresh adds an unconfirmed pair; using a token of it confirms it, which ends everything else
 * the device had. So a lost answer costs nothing, and a refresh token that was stolen and used makes the other
 * side's fail, where it is noticed.
 */
#include "homeserver/account/refresh.h"

#include "homeserver/account/session.h"
#include "storage/device.h"
#include "storage/token.h"

static enum err refuse(struct ctx *ctx, const char *errcode, const char *text, bool soft)
{
	enum err err = fail_status(ctx, ERR_DENIED, 401, errcode, "%s", text);
	if (soft) {
		ctx->fault.extra = STR("\"soft_logout\":true");
	}
	return err;
}

/* The refresh token's row, when it may be used. */
static enum err find_usable(struct ctx *ctx, struct homeserver *hs, struct tx *tx, struct str hash,
	struct refresh_row *out)
{
	enum err err = store_refresh_lock(ctx, tx, hash, out);
	if (err == ERR_MISSING || (err == ERR_OK && out->state == ACCOUNT_DEACTIVATED)) {
		return refuse(ctx, M_UNKNOWN_TOKEN, "This refresh token is not valid; log in again", false);
	}
	TRY(err);
	if (out->expires_at_ms > 0 && clock_wall_ms(&hs->clock) >= out->expires_at_ms) {
		return refuse(ctx, M_UNKNOWN_TOKEN, "This refresh token has expired; log in again", true);
	}
	if (out->state == ACCOUNT_LOCKED) {
		return refuse(ctx, M_USER_LOCKED, "This account has been locked", true);
	}
	return ERR_OK;
}

/* @param out_confirmed  the pair of the token was used for the first time, so others have ended */
static enum err store_refresh(struct ctx *ctx, struct homeserver *hs, struct str hash,
	struct grant *out, bool *out_confirmed)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	struct refresh_row row;
	TRY(find_usable(ctx, hs, tx, hash, &row));
	out->user_id = row.user_id;
	out->device_id = row.device_id;
	*out_confirmed = !row.is_confirmed;
	if (!row.is_confirmed) {
		enum err err = store_token_confirm(ctx, tx, row.user_id, row.device_id, hash);
		invariant(err != ERR_MISSING); /* the row is locked */
		TRY(err);
	}
	struct token_pair pair;
	grant_rows(ctx, hs, out, &pair);
	TRY(store_token_insert(ctx, tx, &pair));
	return tx_commit(ctx, &tx);
}

enum err refresh_tokens(struct ctx *ctx, struct homeserver *hs, struct str refresh_token,
	struct grant *out)
{
	bool is_confirmed = false;
	grant_make_tokens(ctx, hs, true, out);
	TRY(store_refresh(ctx, hs, token_hash(ctx->arena, refresh_token), out, &is_confirmed));
	if (is_confirmed) {
		sessions_forget_device(hs, out->user_id, out->device_id);
	}
	return ERR_OK;
}

enum err refresh_confirm(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct str refresh_hash)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_device_lock(ctx, tx, user_id, device_id));
	TRY(store_token_confirm(ctx, tx, user_id, device_id, refresh_hash));
	TRY(tx_commit(ctx, &tx));
	sessions_forget_device(hs, user_id, device_id);
	return ERR_OK;
}
