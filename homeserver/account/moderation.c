/*
 * Suspension and locks. The account's row is locked from the check to the change, so that nobody becomes an administrator
 * in between.
 */
#include "homeserver/account/moderation.h"

#include "base/log.h"
#include "homeserver/account/session.h"
#include "storage/account.h"

/* Whether `who` may look at, or change, an account that is there. */
static enum err check_account(struct ctx *ctx, const struct principal *who,
	const struct account_row *account)
{
	if (account->state == ACCOUNT_DEACTIVATED) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here");
	}
	if (account->is_admin && !str_equals(account->user_id, who->user.s)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "That user is an administrator too");
	}
	return ERR_OK;
}

static enum err check_local(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	return hs_is_local(hs, user_id)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_INVALID_PARAM, "That is no user of this server");
}

static enum err refuse_missing(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here");
}

enum err moderation_get(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, enum moderation kind, bool *out)
{
	struct account_row account;
	TRY(check_local(ctx, hs, user_id));
	enum err err = store_account_find(ctx, hs->db, user_id, &account);
	if (err == ERR_MISSING) {
		return refuse_missing(ctx);
	}
	TRY(err);
	TRY(check_account(ctx, who, &account));
	*out = kind == MODERATION_LOCK ? account.state == ACCOUNT_LOCKED : account.is_suspended;
	return ERR_OK;
}

static enum err store_change(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, enum moderation kind, bool is_on)
{
	struct account_row account;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_account_lock(ctx, tx, user_id, &account);
	if (err == ERR_MISSING) {
		return refuse_missing(ctx);
	}
	TRY(err);
	TRY(check_account(ctx, who, &account));
	err = kind == MODERATION_LOCK
		? store_account_set_state(ctx, tx, user_id, is_on ? ACCOUNT_LOCKED : ACCOUNT_ACTIVE)
		: store_account_set_suspended(ctx, tx, user_id, is_on);
	if (err == ERR_MISSING) {
		return refuse_missing(ctx);
	}
	TRY(err);
	return tx_commit(ctx, &tx);
}

enum err moderation_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, enum moderation kind, bool is_on)
{
	TRY(check_local(ctx, hs, user_id));
	if (str_equals(user_id, who->user.s)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You cannot do this to yourself");
	}
	enum err err = store_change(ctx, hs, who, user_id, kind, is_on);
	sessions_forget_user(hs, user_id);
	TRY(err);
	log_info(ctx->request_id, "account.moderated", "kind=%s on=%d",
		kind == MODERATION_LOCK ? "lock" : "suspend", is_on);
	return ERR_OK;
}
