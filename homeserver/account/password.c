/*
 * Passwords. A check of one that nobody has costs the same as any other: the password is hashed all the same.
 */
#include "homeserver/account/password.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "homeserver/account/session.h"
#include "storage/device.h"
#include "storage/secret.h"

#include <inttypes.h>

enum err password_check_is_on(struct ctx *ctx, const struct settings *settings)
{
	return settings->account.passwords_are_on
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_FORBIDDEN,
			  "This server has no passwords; sign in by your provider");
}

enum err password_check_policy(struct ctx *ctx, const struct settings *settings,
	struct str password)
{
	if (password.n > PASSWORD_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A password may have at most %d bytes",
			PASSWORD_MAX_BYTES);
	}
	if ((int64_t)utf8_length(password) < settings->password_min_length || password.n == 0) {
		return fail(ctx, ERR_INPUT, M_WEAK_PASSWORD,
			"A password must have at least %" PRId64 " characters",
			MAX_OF(settings->password_min_length, 1));
	}
	return ERR_OK;
}

void password_write_fields(struct web_page *page, const struct settings *settings)
{
	struct arena *arena = page->call->ctx.arena;
	int64_t least = MAX_OF(settings->password_min_length, 1);
	struct str zh = str_printf(arena, "新密碼（至少 %" PRId64 " 個字元）", least);
	struct str en = str_printf(arena, "New password (at least %" PRId64 " characters)", least);
	web_page_field(page,
		&(struct web_field){.kind = "password",
			.name = "new",
			.zh = str_cstr(arena, zh),
			.en = str_cstr(arena, en),
			.autocomplete = "new-password"});
	web_page_field(page,
		&(struct web_field){.kind = "password",
			.name = "again",
			.zh = "再輸入一次新密碼",
			.en = "The new password once more",
			.autocomplete = "new-password"});
}

void password_write_logout(struct web_page *page)
{
	web_page_checkbox(page, "logout", true, "登出所有裝置（如果別人可能知道舊密碼，請保留）",
		"Sign all devices out (leave this if somebody else may know the old password)");
}

struct str password_make_hash(struct ctx *ctx, const struct settings *settings, struct str password)
{
	return password_hash(ctx->arena, password, settings->argon2_memory_kib,
		settings->argon2_iterations);
}

bool password_is_right(struct ctx *ctx, const struct settings *settings,
	const struct account_row *account, struct str password)
{
	struct str tried = str_slice(password, 0, PASSWORD_MAX_BYTES);
	if (account == NULL || account->password_hash.p == NULL) {
		(void)password_make_hash(ctx, settings, tried);
		return false;
	}
	bool is_right = password_verify(ctx->arena, account->password_hash, tried);
	return is_right && password.n <= PASSWORD_MAX_BYTES;
}

enum err password_check(struct call *call, struct str bucket, struct str user_id,
	struct str password, struct account_row *out)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	enum err err = user_id.p != NULL ? store_account_find(ctx, hs->db, user_id, out) : ERR_MISSING;
	TRY(err == ERR_MISSING ? ERR_OK : err);
	/* Taken before it is known, else any number at once could be tried. */
	TRY(call_take_guess(call, bucket));
	if (!password_is_right(ctx, &hs->settings, err == ERR_OK ? out : NULL, password)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Wrong user name or password");
	}
	call_give_guess(call, bucket);
	return ERR_OK;
}

/* The account first: of two resets at once the second waits for it, and then finds its mail ended. */
static enum err store_change(struct ctx *ctx, struct homeserver *hs,
	const struct password_wish *wish, struct str hash)
{
	struct email_validation_row proof;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_account_set_password(ctx, tx, wish->user_id, hash);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This account has been deactivated");
	}
	TRY(err);
	if (wish->link != NULL) {
		TRY(email_proof_use_link(ctx, hs, tx, EMAIL_PASSWORD, wish->link, &proof));
	}
	if (wish->claim != NULL) {
		TRY(email_proof_use(ctx, hs, tx, EMAIL_PASSWORD, wish->claim, &proof));
	}
	TRY(store_secret_delete_user(ctx, tx, wish->user_id));
	if (wish->logout_others) {
		TRY(store_device_delete_but(ctx, tx, wish->user_id, wish->kept_device));
	}
	return tx_commit(ctx, &tx);
}

enum err password_change(struct ctx *ctx, struct homeserver *hs, const struct password_wish *wish)
{
	struct str hash = password_make_hash(ctx, &hs->settings, wish->password);
	enum err err = store_change(ctx, hs, wish, hash);
	if (wish->logout_others) {
		sessions_forget_user(hs, wish->user_id);
	}
	TRY(err);
	if (wish->logout_others) {
		hs->ports.e2ee.devices_changed(ctx, hs, wish->user_id);
	}
	return ERR_OK;
}
