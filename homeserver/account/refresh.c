/*
 * Rotation of tokens. A refresh adds an unconfirmed pair; using a token of it confirms it, which ends everything else
 * the device had. So a lost answer costs nothing, and a refresh token that was stolen and used makes the other
 * side's fail, where it is noticed. In the OAuth 2.0 API that ends the session.
 */
#include "homeserver/account/refresh.h"

#include "base/log.h"
#include "homeserver/account/login.h"
#include "homeserver/account/session.h"
#include "storage/device.h"
#include "storage/oauth.h"
#include "storage/token.h"

static enum err refuse_unknown(struct ctx *ctx)
{
	return sessions_refuse(ctx, M_UNKNOWN_TOKEN, "This refresh token is not valid; log in again",
		false);
}

/* Whether both are the same client, or both none: the two APIs do not mix. */
static bool is_same_client(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_equals(a, b);
}

/* One refresh. */
struct rotation {
	struct str hash;
	struct str client_id; /* whose session it has to be; p == NULL: one of the legacy API */
	struct str scope;     /* found: of the session */
	bool
		has_confirmed; /* found: the pair of the token was used for the first time, so others have ended */
};

/*
 * The refresh token's row, when it may be used.
 * Errors: MISSING (no fault text) when there is none; as refresh_tokens() else
 */
static enum err find_usable(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	const struct rotation *rotation, struct refresh_row *out)
{
	TRY(store_refresh_lock(ctx, tx, rotation->hash, out));
	if (out->state == ACCOUNT_DEACTIVATED || !is_same_client(out->client_id, rotation->client_id)) {
		return refuse_unknown(ctx);
	}
	if (out->expires_at_ms > 0 && clock_wall_ms(&hs->clock) >= out->expires_at_ms) {
		return sessions_refuse(ctx, M_UNKNOWN_TOKEN, "This refresh token has expired; log in again",
			true);
	}
	if (out->state == ACCOUNT_LOCKED) {
		return sessions_refuse(ctx, M_USER_LOCKED, "This account has been locked", true);
	}
	return ERR_OK;
}

static enum err store_refresh(struct ctx *ctx, struct homeserver *hs, struct rotation *rotation,
	struct grant *out)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	struct refresh_row row;
	TRY(find_usable(ctx, hs, tx, rotation, &row));
	rotation->scope = row.scope;
	out->user_id = row.user_id;
	out->device_id = row.device_id;
	rotation->has_confirmed = !row.is_confirmed;
	if (!row.is_confirmed) {
		enum err err = store_token_confirm(ctx, tx, row.user_id, row.device_id, rotation->hash);
		invariant(err != ERR_MISSING); /* the row is locked */
		TRY(err);
	}
	struct token_pair pair;
	grant_rows(ctx, hs, out, &pair);
	TRY(store_token_insert(ctx, tx, &pair));
	return tx_commit(ctx, &tx);
}

static enum err rotate(struct ctx *ctx, struct homeserver *hs, struct rotation *rotation,
	struct str family, struct grant *out)
{
	grant_make_tokens(ctx, hs, true, family, out);
	TRY(store_refresh(ctx, hs, rotation, out));
	if (rotation->has_confirmed) {
		sessions_forget_device(hs, out->user_id, out->device_id);
	}
	return ERR_OK;
}

enum err refresh_tokens(struct ctx *ctx, struct homeserver *hs, struct str refresh_token,
	struct grant *out)
{
	struct rotation rotation = {.hash = token_hash(ctx->arena, refresh_token)};
	enum err err = rotate(ctx, hs, &rotation, (struct str){0}, out);
	return err == ERR_MISSING ? refuse_unknown(ctx) : err;
}

/* A token that has ended: of a session that goes on, it is a copy. */
static enum err end_family(struct ctx *ctx, struct homeserver *hs, struct str refresh_token)
{
	struct oauth_session_row session;
	struct str family = grant_family(refresh_token);
	if (family.p == NULL) {
		return ERR_MISSING;
	}
	TRY(store_oauth_session_by_family(ctx, hs->db, token_hash(ctx->arena, family), &session));
	log_warn(ctx->request_id, "oauth.refresh.reused", "ended=1");
	return device_log_out(ctx, hs, session.user_id, session.device_id);
}

enum err refresh_oauth_tokens(struct ctx *ctx, struct homeserver *hs, struct str refresh_token,
	struct str client_id, struct grant *out, struct str *out_scope)
{
	struct rotation rotation = {
		.hash = token_hash(ctx->arena, refresh_token),
		.client_id = client_id,
	};
	enum err err = rotate(ctx, hs, &rotation, grant_family(refresh_token), out);
	*out_scope = rotation.scope;
	if (err != ERR_MISSING) {
		return err;
	}
	err = end_family(ctx, hs, refresh_token);
	return err == ERR_OK || err == ERR_MISSING ? refuse_unknown(ctx) : err;
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
