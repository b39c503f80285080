/*
 * Signing in: by password, or by an identity provider, which sends the browser back with a login token.
 */
#include "homeserver/account/oauth/web_login_routes.h"

#include "base/crypto.h"
#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/identify.h"
#include "homeserver/account/login.h"
#include "homeserver/account/login_token.h"
#include "homeserver/account/oauth/web_register.h"
#include "homeserver/account/oauth/web_reset.h"
#include "homeserver/account/oauth/web_visit.h"
#include "homeserver/account/password.h"
#include "homeserver/account/sso/sso.h"

/* --- the page --------------------------------------------------------------------------------------------- */

/* "mxid:@name:server" of our own server: the name. */
static struct str hinted_name(struct call *call)
{
	struct str hint = call_query(call, "login_hint");
	struct user_id user;
	if (str_starts_with(hint, STR("mxid:"))) {
		hint = str_slice(hint, 5, hint.n);
	}
	return user_id_parse(hint, &user) && hs_is_local(hs_of(call), hint) ? user_id_localpart(user)
																		: STR("");
}

static void write_password_form(struct web_page *page, const struct web_visit *visit,
	struct str name)
{
	bool takes_email = email_is_on(hs_of(page->call));
	web_page_form(page, STR(""));
	web_page_hidden(page, STR("proof"), web_visit_proof(page->call->ctx.arena, visit, "password"));
	web_page_field(page,
		&(struct web_field){.kind = "text",
			.name = "user",
			.zh = takes_email ? "使用者名稱或電子郵件地址" : "使用者名稱",
			.en = takes_email ? "User name or e-mail address" : "User name",
			.value = name,
			.autocomplete = "username",
			.is_first = name.n == 0});
	web_page_field(page,
		&(struct web_field){.kind = "password",
			.name = "password",
			.zh = "密碼",
			.en = "Password",
			.autocomplete = "current-password",
			.is_first = name.n > 0});
	web_page_button(page, "登入", "Log in");
	web_page_form_end(page);
}

/* The provider sends the browser back to this very page, with what shows that it began here. */
static void write_providers(struct web_page *page, const struct web_visit *visit)
{
	const struct homeserver *hs = hs_of(page->call);
	struct arena *arena = page->call->ctx.arena;
	struct str url =
		hs_public_url(arena, hs, str_cstr(arena, web_login_url(page->call, visit->next, STR(""))));
	struct str proof = web_visit_proof(arena, visit, "provider");
	struct str back = str_printf(arena, "%.*s&proof=%.*s", STR_ARG(url), STR_ARG(proof));
	for (size_t i = 0; i < sso_count(hs); i++) {
		const struct provider *provider = sso_provider(hs, i);
		web_page_named_link(page, sso_login_url(arena, hs, provider, back), provider->name);
	}
}

/* What went wrong, for people. */
struct trouble {
	int status;
	const char *zh;
	const char *en;
};

/* @param trouble  NULL: none yet */
static enum err answer_page(struct call *call, struct web_visit *visit, struct str name,
	const struct trouble *trouble)
{
	struct web_page page;
	web_visit_give_cookie(call, visit);
	web_page_begin(&page, call, "登入", "Log in");
	if (trouble != NULL) {
		web_page_notice(&page, false, trouble->zh, trouble->en);
	}
	web_page_value(&page, hs_of(call)->settings.server_name.s);
	if (hs_of(call)->settings.account.passwords_are_on) {
		write_password_form(&page, visit, name);
	}
	write_providers(&page, visit);
	web_reset_write_way(&page, visit->next);
	if (web_register_is_on(call->ctx.arena, hs_of(call))) {
		web_page_quiet_link(&page, web_register_url(call->ctx.arena, visit->next), "建立帳號",
			"Create an account");
	}
	return web_page_reply(&page, trouble != NULL ? trouble->status : 200);
}

/* Errors of a log-in that are the person's. @return NULL: it is none of these */
static const struct trouble *trouble_of(struct call *call, enum err err)
{
	static const struct trouble wrong = {403, "使用者名稱或密碼不正確，請再試一次。",
		"The user name or the password is not right; try again."};
	static const struct trouble locked = {403, "這個帳號已被鎖定，請洽管理員。",
		"This account has been locked; ask an administrator."};
	bool is_locked = err == ERR_DENIED && call->ctx.fault.errcode != NULL &&
		str_equals(str_of(call->ctx.fault.errcode), STR(M_USER_LOCKED));
	if (err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
	}
	return err != ERR_DENIED ? NULL : is_locked ? &locked : &wrong;
}

static const struct trouble ended = {403, "這次登入已經逾時，請再登入一次。",
	"This sign-in has ended; sign in once more."};

/* --- by a provider ------------------------------------------------------------------------------------------ */

/* The token is used up first, so one that came with another's link is of no more use to anybody. */
static enum err check_token(struct call *call, const struct web_visit *visit, struct str token,
	struct account_row *out, bool *out_is_again)
{
	struct login_token login;
	TRY(login_token_use(&call->ctx, hs_of(call), token, &login));
	*out_is_again = login.is_again;
	if (!web_visit_is_proven(call, visit, "provider", call_query(call, "proof"))) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "The sign-in was begun elsewhere");
	}
	return login_check_account(&call->ctx, hs_of(call), login.user_id, "There is no such account",
		out);
}

static enum err get_login(struct call *call)
{
	struct web_visit visit = web_visit_of(call);
	struct str token = call_query(call, "loginToken");
	struct account_row account;
	bool is_again;
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	if (token.p == NULL) {
		return answer_page(call, &visit, hinted_name(call), NULL);
	}
	enum err err = check_token(call, &visit, token, &account, &is_again);
	if (err == ERR_OK) {
		err = web_visit_let_in(call, &visit, &account, is_again);
	}
	if (err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
		return answer_page(call, &visit, STR(""), &ended);
	}
	return err;
}

/* --- by password -------------------------------------------------------------------------------------------- */

/* A user name, a whole user id, or a confirmed address. */
static enum err find_user(struct call *call, struct str name, struct identifier *out)
{
	struct homeserver *hs = hs_of(call);
	size_t at = str_find_byte(name, '@');
	if (at != SIZE_MAX && at > 0 && email_is_on(hs)) {
		return identify_email(&call->ctx, hs, name, out);
	}
	*out = (struct identifier){
		.user_id = local_user_id(call->ctx.arena, name, hs->settings.server_name)};
	return ERR_OK;
}

static enum err check_password(struct call *call, struct str name, struct account_row *out)
{
	struct identifier who;
	TRY(password_check_is_on(&call->ctx, &hs_of(call)->settings));
	TRY(find_user(call, name, &who));
	return login_check_password(call, &who, web_page_posted(call, "password"), out);
}

/* Who clicks twice is in. Another than who is in has to know that they are not. */
static enum err answer_unproven(struct call *call, struct web_visit *visit, struct str name)
{
	struct identifier who;
	bool is_second;
	TRY(find_user(call, name, &who));
	TRY(web_visit_is_second(call, who.user_id, &is_second));
	return is_second ? web_page_redirect(call, visit->next)
					 : answer_page(call, visit, name, &ended);
}

static enum err post_login(struct call *call)
{
	struct web_visit visit = web_visit_of(call);
	struct str name = str_trim(web_page_posted(call, "user"));
	struct account_row account;
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	if (!web_visit_is_proven(call, &visit, "password", web_page_posted(call, "proof"))) {
		return answer_unproven(call, &visit, name);
	}
	enum err err = check_password(call, name, &account);
	if (err == ERR_OK) {
		err = web_visit_let_in(call, &visit, &account, true);
	}
	const struct trouble *trouble = trouble_of(call, err);
	return trouble != NULL ? answer_page(call, &visit, name, trouble) : err;
}

/* --- out ----------------------------------------------------------------------------------------------------- */

static enum err post_logout(struct call *call)
{
	struct web_session session;
	struct str next = web_page_posted(call, "next");
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	TRY(web_session_find(call, &session));
	if (session.user_id.p != NULL &&
		!crypto_equals(web_page_posted(call, "proof"),
			web_form_proof(call->ctx.arena, session.secret, STR(WEB_LOGOUT_PATH)))) {
		return web_session_answer_stale(call);
	}
	TRY(web_session_end(call));
	return web_page_redirect(call, web_login_url(call, next, STR("")));
}

/* --- what was done ---------------------------------------------------------------------------------------------- */

static enum err get_done(struct call *call)
{
	static const struct {
		const char *what;
		const char *title_zh;
		const char *title_en;
		const char *zh;
		const char *en;
	} done[] = {
		{"deactivated", "帳號已停用", "The account is deactivated",
			"它不能再登入了。您可以關閉此頁。",
			"It cannot sign in any more. You can close this page."},
		{"answered", "已經回答過了", "Answered already",
			"這個問題已經回答過，或者已經過期。請回到您的程式或裝置；如果它沒有登入，請在那裡從頭開始。",
			"This was answered, or has ended. Go back to your app or device; if it is not signed in, begin again there."},
		{"mailed", "信件已寄出", "A mail is on its way",
			"請開啟信中的連結，在那裡設定新密碼。如果沒有收到，請看看垃圾郵件，或確認地址有沒有打錯。您可以關閉此頁。",
			"Open its link, and set a new password there. If none comes, look among the junk mail, or whether the address was right. "
			"You can close this page."},
		{"password", "密碼已變更", "The password is changed",
			"請回到您的程式，用新密碼登入。您可以關閉此頁。",
			"Go back to your app and log in with it. You can close this page."},
		{"linked", "已允許", "Allowed", "請回到您的裝置，它會自動繼續。您可以關閉此頁。",
			"Go back to your device, which goes on by itself. You can close this page."},
		{"not_linked", "已拒絕", "Denied", "那個程式沒有得到您的帳號。您可以關閉此頁。",
			"That app did not get your account. You can close this page."},
	};
	struct web_page page;
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	for (size_t i = 0; i < COUNT_OF(done); i++) {
		if (str_equals(call_query(call, "what"), str_of(done[i].what))) {
			web_page_begin(&page, call, done[i].title_zh, done[i].title_en);
			web_page_text(&page, done[i].zh, done[i].en);
			return web_page_reply(&page, 200);
		}
	}
	return web_page_redirect(call, STR(OAUTH_ACCOUNT_PATH));
}

const struct route web_login_routes[] = {
	{"webLoginPage", "GET", WEB_LOGIN_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0, get_login},
	{"webLogin", "POST", WEB_LOGIN_PATH, AUTH_PAGE, LANE_SLOW, RATE_LOGIN, 0, post_login},
	{"webDone", "GET", WEB_DONE_PATH, AUTH_PAGE, LANE_INLINE, RATE_READ, 0, get_done},
	{"webLogout", "POST", WEB_LOGOUT_PATH, AUTH_PAGE, LANE_LOCAL, RATE_WRITE, 0, post_logout},
};
const size_t web_login_route_count = COUNT_OF(web_login_routes);
