/*
 * Fallback pages: stages of authentication, log-in, documents. A page of a stage is known by its session id; what it
 * asks for is what the stage asks of clients.
 * Spec: client-server API, "Fallback", "Login Fallback"
 */
#include "homeserver/account/fallback_routes.h"

#include "homeserver/account/oauth/oauth.h"
#include "homeserver/account/oauth/web_reset.h"
#include "homeserver/account/sso/sso.h"
#include "homeserver/account/terms.h"
#include "homeserver/account/uia_stage.h"
#include "homeserver/web_page.h"

/* --- stages ------------------------------------------------------------------------------------------- */

/* As the specification wants it. */
static const char done_script[] =
	"if(window.onAuthDone){window.onAuthDone();}"
	"else if(window.opener&&window.opener.postMessage){window.opener.postMessage('authDone','*');}";

enum err fallback_answer_done(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "完成", "Done");
	web_page_text(&page, "謝謝。您可以關閉此頁，回到原來的程式。",
		"Thank you. You can close this page and go back to the program that you came from.");
	web_page_script(&page, done_script);
	return web_page_reply(&page, 200);
}

static enum err answer_no_session(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "這一頁已失效", "This page has ended");
	web_page_text(&page, "請回到原來的程式，再試一次。",
		"Go back to the program that you came from and try again.");
	return web_page_reply(&page, 404);
}

static void write_password(struct web_page *page, const struct uia_session *session)
{
	web_page_value(page, session->user_id);
	web_page_form(page, STR(""));
	web_page_input(page, "password", "password", "密碼", "Password");
	web_page_button(page, "確認", "Confirm");
	web_page_form_end(page);
}

static void write_terms(struct web_page *page, const struct settings *settings)
{
	web_page_text(page, "請閱讀下列文件。", "Please read these documents.");
	terms_write_links(page, settings);
	web_page_form(page, STR(""));
	web_page_button(page, "我同意", "I accept");
	web_page_form_end(page);
}

static void write_providers(struct web_page *page, const struct uia_session *session)
{
	const struct homeserver *hs = hs_of(page->call);
	struct arena *arena = page->call->ctx.arena;
	web_page_text(page, "您的程式要變更這個帳號的安全設定。請再登入一次以確認。",
		"A program wants to change something about the security of this account. Sign in once more to confirm.");
	web_page_value(page, session->user_id);
	for (size_t i = 0; i < sso_count(hs); i++) {
		const struct provider *provider = sso_provider(hs, i);
		web_page_named_link(page, sso_stage_url(arena, hs, provider, session->id), provider->name);
	}
}

static void write_registration_token(struct web_page *page)
{
	web_page_form(page, STR(""));
	web_page_input(page, "text", "token", "註冊碼", "Registration token");
	web_page_button(page, "繼續", "Continue");
	web_page_form_end(page);
}

static void begin_stage(struct web_page *page, struct call *call, enum uia_stage stage)
{
	if (stage == UIA_TERMS) {
		web_page_begin(page, call, "使用條款", "Terms");
	} else if (stage == UIA_REGISTRATION_TOKEN) {
		web_page_begin(page, call, "註冊", "Register");
	} else {
		web_page_begin(page, call, "請確認是您本人", "Please confirm that it is you");
	}
}

/* @param is_again  what was given was not right */
static enum err answer_stage(struct call *call, enum uia_stage stage,
	const struct uia_session *session, bool is_again)
{
	struct web_page page;
	begin_stage(&page, call, stage);
	if (is_again) {
		web_page_text(&page, "不正確，請再試一次。", "That was not right; try again.");
	}
	switch (stage) {
	case UIA_PASSWORD:
		write_password(&page, session);
		break;
	case UIA_TERMS:
		write_terms(&page, &hs_of(call)->settings);
		break;
	case UIA_REGISTRATION_TOKEN:
		write_registration_token(&page);
		break;
	case UIA_EMAIL:
		web_page_text(&page, "請開啟我們寄給您的信中的連結，按下確認後再回到原來的程式。",
			"Open the link in the mail that we sent you, confirm, and go back to the program that you came from.");
		break;
	case UIA_SSO:
		write_providers(&page, session);
		break;
	case UIA_OAUTH:
	case UIA_OAUTH_UNSTABLE:
		web_page_link(&page, uia_oauth_url(call->ctx.arena, hs_of(call), session->id), "繼續",
			"Continue");
		break;
	case UIA_DUMMY:
	case UIA_STAGE_COUNT:
		web_page_form(&page, STR(""));
		web_page_button(&page, "繼續", "Continue");
		web_page_form_end(&page);
		break;
	}
	return web_page_reply(&page, is_again ? 401 : 200);
}

/* The stage and the session that the address names. Errors: MISSING (no fault text). */
static enum err find(struct call *call, enum uia_stage *out_stage, struct uia_session *out)
{
	if (!uia_stage_parse(call_path(call, "authType"), out_stage)) {
		return ERR_MISSING;
	}
	return uia_session_find(&call->ctx, hs_of(call), call_query(call, "session"), out);
}

static enum err get_fallback(struct call *call)
{
	enum uia_stage stage;
	struct uia_session session;
	enum err err = find(call, &stage, &session);
	if (err == ERR_MISSING) {
		return answer_no_session(call);
	}
	TRY(err);
	return (session.completed & 1U << stage) != 0 ? fallback_answer_done(call)
												  : answer_stage(call, stage, &session, false);
}

/* Errors: DENIED when what the form has is not right. */
static enum err check_form(struct call *call, enum uia_stage stage,
	const struct uia_session *session, struct uia_evidence *evidence)
{
	switch (stage) {
	case UIA_PASSWORD:
		return uia_check_password(call, session->user_id, web_page_posted(call, "password"));
	case UIA_REGISTRATION_TOKEN:
		evidence->registration_token = web_page_posted(call, "token");
		return uia_check_registration_token(&call->ctx, hs_of(call), evidence->registration_token);
	case UIA_TERMS:
		evidence->terms = terms_current(call->ctx.arena, &hs_of(call)->settings);
		return ERR_OK;
	case UIA_DUMMY:
		return ERR_OK;
	case UIA_EMAIL: /* by the mail's own page */
	case UIA_SSO:   /* by the provider */
	case UIA_OAUTH: /* by the account page */
	case UIA_OAUTH_UNSTABLE:
	case UIA_STAGE_COUNT:
		break;
	}
	return ERR_DENIED;
}

static enum err post_fallback(struct call *call)
{
	enum uia_stage stage;
	struct uia_session session;
	struct uia_evidence evidence = {0};
	enum err err = find(call, &stage, &session);
	if (err == ERR_MISSING) {
		return answer_no_session(call);
	}
	TRY(err);
	err = check_form(call, stage, &session, &evidence);
	if (err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
		return answer_stage(call, stage, &session, true);
	}
	TRY(err);
	err = uia_session_complete(&call->ctx, hs_of(call), &session, stage, &evidence);
	if (err == ERR_MISSING) {
		return answer_no_session(call);
	}
	TRY(err);
	return fallback_answer_done(call);
}

/* --- log-in ----------------------------------------------------------------------------------------------- */

/*
 * Device id and name of the address go into the log-in; the result goes to the client around the page. Why it failed is the
 * paragraph with the error code for an id, or else the one of `other`.
 */
static const char login_script[] =
	"document.querySelector('form').addEventListener('submit',function(event){event.preventDefault();"
	"var form=event.target,query=new URLSearchParams(location.search),"
	"body={type:'m.login.password',identifier:{type:'m.id.user',user:form.user.value},"
	"password:form.password.value};"
	"['device_id','initial_device_display_name'].forEach(function(key){"
	"if(query.has(key)){body[key]=query.get(key);}});"
	"send(body,form);});"
	"var token=new URLSearchParams(location.search).get('loginToken');"
	"if(token){send({type:'m.login.token',token:token},document.querySelector('form'));}"
	"function show(id){document.querySelectorAll('.outcome').forEach(function(one){"
	"one.hidden=one.id!==id;});}"
	"function fail(code,body){var id=code==='M_FORBIDDEN'&&body.token?'token':code;"
	"show(document.getElementById(id)?id:'other');}"
	"function send(body,form){fetch('/_matrix/client/v3/login',{method:'POST',body:JSON.stringify(body)})"
	".then(function(reply){return reply.json().then(function(answer){"
	"if(!reply.ok){fail(answer.errcode,body);return;}"
	"show('done');form.hidden=true;"
	"if(window.matrixLogin&&window.matrixLogin.onLogin){window.matrixLogin.onLogin(answer);}});})"
	".catch(function(){fail('',body);});}";

/* What the script shows of. */
static void write_outcomes(struct web_page *page)
{
	web_page_hidden_text(page, M_FORBIDDEN, "使用者名稱或密碼不正確，請再試一次。",
		"The user name or the password is not right; try again.");
	web_page_hidden_text(page, "token", "這次登入已經逾時，請再登入一次。",
		"This sign-in has ended; sign in once more.");
	web_page_hidden_text(page, M_LIMIT_EXCEEDED, "嘗試次數太多，請稍候幾分鐘再試。",
		"That was tried too often; wait some minutes and try again.");
	web_page_hidden_text(page, M_USER_LOCKED, "這個帳號已被鎖定，請洽管理員。",
		"This account has been locked; ask an administrator.");
	web_page_hidden_text(page, "other",
		"伺服器目前無法處理登入，請稍後再試；如果仍然不行，請洽管理員。",
		"The server cannot log you in at the moment; try again later, and if it still does not work, ask an administrator.");
	web_page_hidden_text(page, "done", "已登入，您可以關閉此頁。",
		"You are logged in and can close this page.");
}

static enum err get_login_page(struct call *call)
{
	const struct homeserver *hs = hs_of(call);
	struct str own = sso_own_login_page(call->ctx.arena, hs);
	struct web_page page;
	web_page_begin(&page, call, "登入", "Log in");
	write_outcomes(&page);
	if (hs->settings.account.passwords_are_on) {
		web_page_form(&page, STR(""));
	} else {
		web_page_hidden_form(&page); /* the script's */
	}
	web_page_field(&page,
		&(struct web_field){.kind = "text",
			.name = "user",
			.zh = "使用者名稱",
			.en = "User name",
			.autocomplete = "username"});
	web_page_field(&page,
		&(struct web_field){.kind = "password",
			.name = "password",
			.zh = "密碼",
			.en = "Password",
			.autocomplete = "current-password"});
	web_page_button(&page, "登入", "Log in");
	web_page_form_end(&page);
	for (size_t i = 0; i < sso_count(hs); i++) {
		const struct provider *provider = sso_provider(hs, i);
		web_page_named_link(&page, sso_login_url(call->ctx.arena, hs, provider, own),
			provider->name);
	}
	web_reset_write_way(&page, STR(OAUTH_ACCOUNT_PATH));
	web_page_script(&page, login_script);
	return web_page_reply(&page, 200);
}

/* --- documents ---------------------------------------------------------------------------------------------- */

static enum err get_terms(struct call *call)
{
	struct web_page page;
	struct str name;
	struct str text;
	enum err err = terms_text(&call->ctx, &hs_of(call)->settings, call_path(call, "policyId"),
		call_path(call, "language"), &name, &text);
	if (err == ERR_MISSING) {
		web_page_begin(&page, call, "沒有這份文件", "No such document");
		return web_page_reply(&page, 404);
	}
	TRY(err);
	web_page_begin_named(&page, call, name);
	web_page_long_text(&page, text);
	return web_page_reply(&page, 200);
}

#define FALLBACK "/_matrix/client/(r0|v3)/auth/{authType}/fallback/web"

const struct route fallback_routes[] = {
	{"authFallbackPage", "GET", FALLBACK, AUTH_PAGE, LANE_LOCAL, RATE_LOGIN, 0, get_fallback},
	{"authFallback", "POST", FALLBACK, AUTH_PAGE, LANE_SLOW, RATE_LOGIN, 0, post_fallback},
	{"loginPage", "GET", "/_matrix/static/client/login/", AUTH_PAGE, LANE_INLINE, RATE_LOGIN, 0,
		get_login_page},
	{"termsPage", "GET", TERMS_PATH "/{policyId}/{language}", AUTH_PAGE, LANE_LOCAL, RATE_READ, 0,
		get_terms},
};
const size_t fallback_route_count = COUNT_OF(fallback_routes);
