/*
 * A forgotten password. The answer to an address is the same whether it has an account or not: that is told in the mail, to its owner. The mail's
 * link leads to the page that takes the new password, so nobody gains by having asked for a mail to somebody else. Following the link changes
 * nothing, for programs do that too. Who presses the button twice comes to the same page twice.
 */
#include "homeserver/account/oauth/web_reset_routes.h"

#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/email/threepid.h"
#include "homeserver/account/guess.h"
#include "homeserver/account/oauth/web_reset.h"
#include "homeserver/account/oauth/web_visit.h"
#include "homeserver/account/password.h"
#include "homeserver/web_help.h"
#include "http/uri.h"

/* Passwords are used, and this server sends mails. */
static bool is_on(const struct homeserver *hs)
{
	return hs->settings.account.passwords_are_on && email_is_on(hs);
}

static struct str forgot_url(struct arena *arena, struct str next)
{
	struct str target = uri_encode(arena, next);
	return str_printf(arena, WEB_FORGOT_PATH "?next=%.*s", STR_ARG(target));
}

void web_reset_write_way(struct web_page *page, struct str next)
{
	const struct homeserver *hs = hs_of(page->call);
	if (oauth_is_on(hs) && is_on(hs)) {
		web_page_quiet_link(page, forgot_url(page->call->ctx.arena, next), "忘記密碼？",
			"Forgot your password?");
	} else if (hs->settings.account.passwords_are_on) {
		web_page_text(page, "忘記密碼時，請洽學校的管理員。",
			"If you have forgotten your password, ask your school's administrator.");
		web_help_write(page);
	}
}

/* What went wrong, for people. */
struct trouble {
	const char *zh;
	const char *en;
};

static enum err require_on(struct call *call)
{
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	return is_on(hs_of(call))
		? ERR_OK
		: fail(&call->ctx, ERR_MISSING, M_UNRECOGNIZED, "This server resets no passwords by mail");
}

/* --- asking for a mail --------------------------------------------------------------------------------------- */

static enum err answer_forgot(struct call *call, struct web_visit *visit, struct str address,
	const struct trouble *trouble)
{
	struct web_page page;
	web_visit_give_cookie(call, visit);
	web_page_begin(&page, call, "忘記密碼", "Forgot your password?");
	if (trouble != NULL) {
		web_page_notice(&page, false, trouble->zh, trouble->en);
	}
	web_page_text(&page,
		"請輸入您帳號的電子郵件地址。我們會寄一封信過去，信中的連結可以設定新密碼。",
		"Type the e-mail address of your account. A mail goes there, with a link by which you set a new password.");
	web_page_form(&page, STR(""));
	web_page_hidden(&page, STR("proof"), web_visit_proof(call->ctx.arena, visit, "forgot"));
	web_page_field(&page,
		&(struct web_field){.kind = "email",
			.name = "address",
			.zh = "電子郵件地址",
			.en = "E-mail address",
			.value = address,
			.autocomplete = "email",
			.is_first = true});
	web_page_button(&page, "寄信", "Send the mail");
	web_page_form_end(&page);
	web_page_text(&page, "如果帳號沒有電子郵件地址，請洽學校的管理員。",
		"If your account has no e-mail address, ask your school's administrator.");
	web_help_write(&page);
	web_page_quiet_link(&page, web_login_url(call, visit->next, STR("")), "回到登入",
		"Back to the log-in");
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

static enum err get_forgot(struct call *call)
{
	struct web_visit visit = web_visit_of(call);
	TRY(require_on(call));
	return answer_forgot(call, &visit, STR(""), NULL);
}

static enum err post_forgot(struct call *call)
{
	static const struct trouble ended = {"這一頁開著太久了，請再試一次。",
		"This page was open for too long; try again."};
	static const struct trouble no_address = {"無法寄信到這個地址，請看看有沒有打錯。",
		"No mail can be sent to this address; look whether it is typed right."};
	struct web_visit visit = web_visit_of(call);
	struct str address = str_trim(web_page_posted(call, "address"));
	TRY(require_on(call));
	if (!web_visit_is_proven(call, &visit, "forgot", web_page_posted(call, "proof"))) {
		return answer_forgot(call, &visit, address, &ended);
	}
	enum err err =
		email_proof_mail_link(&call->ctx, hs_of(call), EMAIL_PASSWORD, address, WEB_RESET_PATH "?");
	if (err == ERR_INPUT || err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
		return answer_forgot(call, &visit, address, &no_address);
	}
	TRY(err);
	return web_page_redirect(call, web_done_url(call, "mailed"));
}

/* --- the new password ------------------------------------------------------------------------------------------ */

static enum err answer_bad_link(struct call *call)
{
	struct web_page page;
	call->ctx.fault = (struct fault){0};
	web_page_begin(&page, call, "這個連結無效", "This link is not valid");
	web_page_text(&page,
		"它可能已過期，或沒有完整複製。如果您剛剛用它設定了新密碼，請用新密碼登入。",
		"It may have expired, or was not copied as a whole. If you have just set a new password by it, log in with that.");
	web_page_quiet_link(&page, forgot_url(call->ctx.arena, STR(OAUTH_ACCOUNT_PATH)), "再寄一封信",
		"Have another mail sent");
	return web_page_reply(&page, 404);
}

/* Whose password the mail's link is about. Errors: MISSING (no fault text); STORE */
static enum err find_owner(struct call *call, struct str *out_user_id)
{
	struct email_validation_row row;
	TRY(email_proof_peek(&call->ctx, hs_of(call), call_query(call, "sid"),
		call_query(call, "token"), &row));
	if (row.purpose != EMAIL_PASSWORD) {
		return ERR_MISSING;
	}
	TRY(threepid_owner(&call->ctx, hs_of(call), STR("email"), row.address, out_user_id));
	return out_user_id->p != NULL ? ERR_OK : ERR_MISSING;
}

static enum err answer_reset(struct call *call, struct str user_id, const struct trouble *trouble)
{
	struct web_page page;
	web_page_begin(&page, call, "設定新密碼", "Set a new password");
	if (trouble != NULL) {
		web_page_notice(&page, false, trouble->zh, trouble->en);
	}
	web_page_value(&page, user_id);
	web_page_form(&page, STR(""));
	web_page_hidden_user(&page, user_id);
	password_write_fields(&page, &hs_of(call)->settings);
	password_write_logout(&page);
	web_page_button(&page, "設定", "Set it");
	web_page_form_end(&page);
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

static enum err get_reset(struct call *call)
{
	struct str user_id;
	TRY(require_on(call));
	enum err err = find_owner(call, &user_id);
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	return answer_reset(call, user_id, NULL);
}

static enum err reset(struct call *call, struct str user_id, struct str password)
{
	const struct email_link link = {call_query(call, "sid"), call_query(call, "token")};
	return password_change(&call->ctx, hs_of(call),
		&(struct password_wish){
			.user_id = user_id,
			.password = password,
			.logout_others = web_page_posted(call, "logout").n > 0,
			.link = &link,
		});
}

static enum err answer_done(struct call *call)
{
	return web_page_redirect(call, web_done_url(call, "password"));
}

/* The first click has used the link up and set this password, which the user has by it; with another one the link is not good. */
static enum err answer_used(struct call *call)
{
	struct account_row account;
	struct str bucket;
	const struct identifier who = {
		.user_id = local_user_id(call->ctx.arena, web_page_posted(call, "of"),
			hs_of(call)->settings.server_name)};
	TRY(guess_key_of_login(call, &who, &bucket));
	enum err err =
		password_check(call, bucket, who.user_id, web_page_posted(call, "new"), &account);
	if (err == ERR_DENIED) {
		return answer_bad_link(call);
	}
	TRY(err);
	return answer_done(call);
}

static enum err post_reset(struct call *call)
{
	static const struct trouble not_same = {"兩次輸入的密碼不一樣。",
		"The two passwords are not the same."};
	static const struct trouble weak = {"這個密碼太短（或太長），請換一個。",
		"This password is too short (or too long); choose another."};
	struct str password = web_page_posted(call, "new");
	struct str user_id = {0};
	TRY(require_on(call));
	enum err err = find_owner(call, &user_id);
	if (err == ERR_OK && !str_equals(password, web_page_posted(call, "again"))) {
		return answer_reset(call, user_id, &not_same);
	}
	if (err == ERR_OK) {
		err = password_check_policy(&call->ctx, &hs_of(call)->settings, password);
	}
	if (err == ERR_INPUT) {
		call->ctx.fault = (struct fault){0};
		return answer_reset(call, user_id, &weak);
	}
	if (err == ERR_OK) {
		err = reset(call, user_id, password);
	}
	if (err == ERR_MISSING || err == ERR_DENIED) {
		return answer_used(call);
	}
	TRY(err);
	return answer_done(call);
}

const struct route web_reset_routes[] = {
	{"webForgotPage", "GET", WEB_FORGOT_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0, get_forgot},
	{"webForgot", "POST", WEB_FORGOT_PATH, AUTH_PAGE, LANE_REMOTE, RATE_REGISTER, 0, post_forgot},
	{"webResetPage", "GET", WEB_RESET_PATH, AUTH_PAGE, LANE_LOCAL, RATE_REGISTER, 0, get_reset},
	{"webReset", "POST", WEB_RESET_PATH, AUTH_PAGE, LANE_SLOW, RATE_LOGIN, 0, post_reset},
};
const size_t web_reset_route_count = COUNT_OF(web_reset_routes);
