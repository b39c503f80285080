/*
 * Log-in and log-out. Deactivated accounts have no password, so they look like any wrong one.
 */
#include "homeserver/account/login.h"

#include "homeserver/account/guess.h"
#include "homeserver/account/login_token.h"
#include "homeserver/account/password.h"
#include "homeserver/account/session.h"
#include "storage/device.h"
#include "storage/secret.h"

static enum err find_account(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct account_row *row, const struct account_row **out)
{
	*out = NULL;
	if (user_id.p == NULL) {
		return ERR_OK;
	}
	enum err err = store_account_find(ctx, hs->db, user_id, row);
	if (err == ERR_OK) {
		*out = row;
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

static enum err check_not_locked(struct ctx *ctx, const struct account_row *account)
{
	if (account->state != ACCOUNT_LOCKED) {
		return ERR_OK;
	}
	enum err err = fail_status(ctx, ERR_DENIED, 401, M_USER_LOCKED, "This account has been locked");
	ctx->fault.extra = STR("\"soft_logout\":true");
	return err;
}

enum err login_check_password(struct call *call, const struct identifier *who, struct str password,
	struct account_row *out)
{
	struct str bucket;
	TRY(guess_key_of_login(call, who, &bucket));
	TRY(password_check(call, bucket, who->user_id, password, out));
	return check_not_locked(&call->ctx, out);
}

enum err login_with_password(struct call *call, const struct identifier *who, struct str password,
	struct grant_ask *ask, struct grant *out)
{
	struct account_row account;
	TRY(login_check_password(call, who, password, &account));
	ask->user_id = account.user_id;
	ask->password_hash = account.password_hash;
	return grant_open(&call->ctx, hs_of(call), ask, out);
}

enum err login_check_account(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const char *refusal, struct account_row *out)
{
	const struct account_row *account;
	TRY(find_account(ctx, hs, user_id, out, &account));
	if (account == NULL || account->state == ACCOUNT_DEACTIVATED) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "%s", refusal);
	}
	return check_not_locked(ctx, account);
}

enum err login_without_proof(struct ctx *ctx, struct homeserver *hs, const struct grant_ask *ask,
	const char *refusal, struct grant *out)
{
	struct account_row account;
	TRY(login_check_account(ctx, hs, ask->user_id, refusal, &account));
	return grant_open(ctx, hs, ask, out);
}

enum err login_with_token(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct grant_ask *ask, struct grant *out)
{
	struct login_token login;
	TRY(login_token_use(ctx, hs, token, &login));
	ask->user_id = login.user_id;
	return login_without_proof(ctx, hs, ask, "This login token is not known or has ended", out);
}

enum err device_log_out(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id)
{
	enum err err = store_device_delete(ctx, hs->db, user_id, &device_id, 1);
	sessions_forget_device(hs, user_id, device_id);
	TRY(err);
	hs->ports.e2ee.devices_changed(ctx, hs, user_id);
	return ERR_OK;
}

enum err logout(struct ctx *ctx, struct homeserver *hs, const struct principal *who)
{
	return who->device_id.p != NULL ? device_log_out(ctx, hs, who->user.s, who->device_id) : ERR_OK;
}

static enum err end_all(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	struct account_row account;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	/*
	 * In the order of password.c and deactivate.c, so that two ends of one user do not wait for each other. The account first: what somebody is
	 * about to allow in a browser (oauth_hold_account) is there by then, or finds itself signed out.
	 */
	enum err err = store_account_lock(ctx, tx, user_id, &account);
	TRY(err == ERR_MISSING ? ERR_OK : err);
	TRY(store_secret_delete_user(ctx, tx, user_id));
	TRY(store_device_delete_but(ctx, tx, user_id, (struct str){0}));
	return tx_commit(ctx, &tx);
}

enum err logout_all(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	enum err err = end_all(ctx, hs, user_id);
	sessions_forget_user(hs, user_id);
	TRY(err);
	hs->ports.e2ee.devices_changed(ctx, hs, user_id);
	return ERR_OK;
}
