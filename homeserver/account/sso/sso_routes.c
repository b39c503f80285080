/*
 * Endpoints of signing in by an identity provider: parse, one call, a page or a redirect. All may wait for the provider.
 */
#include "homeserver/account/sso/sso_routes.h"

#include "base/log.h"
#include "homeserver/account/fallback_routes.h"
#include "homeserver/account/sso/sso.h"
#include "homeserver/account/sso/sso_reason.h"
#include "homeserver/account/uia.h"
#include "homeserver/web_page.h"

/* What went wrong as a page. What is not for people's eyes (the database) stays as it is. */
static enum err answer_failure(struct call *call, enum err err)
{
	struct ctx *ctx = &call->ctx;
	if (err == ERR_STORE || err == ERR_INTERNAL || err == ERR_SHUTDOWN) {
		return err;
	}
	struct str text = ctx->fault.text;
	if (ctx->fault.cause.n > 0) {
		log_warn(ctx->request_id, "sso.provider_failed", "text=\"%.*s\" cause=%.*s", STR_ARG(text),
			STR_ARG(ctx->fault.cause));
	}
	int status = ctx->fault.http_status != 0 ? ctx->fault.http_status : err_http_status(err);
	struct web_page page;
	web_page_begin(&page, call, "無法登入", "You could not be signed in");
	const char *zh = sso_reason_zh(text);
	if (zh != NULL) {
		web_page_text(&page, zh, str_cstr(ctx->arena, text));
	} else if (text.n > 0) {
		web_page_value(&page, text);
	}
	web_page_text(&page, "請回到原來的程式再試一次；如果仍然無法登入，請洽管理員。",
		"Go back to the program that you came from and try again; if it still does not work, ask an administrator.");
	ctx->fault = (struct fault){0};
	return web_page_reply(&page, status);
}

static enum err depart(struct call *call, const struct sso_wish *wish)
{
	struct sso_departure departure;
	enum err err = sso_begin(&call->ctx, hs_of(call), wish, &departure);
	if (err != ERR_OK) {
		return answer_failure(call, err);
	}
	reply_header(call, "Set-Cookie", departure.set_cookie);
	return web_page_redirect(call, departure.url);
}

/* Which provider? */
static enum err answer_choice(struct call *call, struct str redirect_url)
{
	const struct homeserver *hs = hs_of(call);
	struct web_page page;
	web_page_begin(&page, call, "選擇登入方式", "Choose how to sign in");
	for (size_t i = 0; i < sso_count(hs); i++) {
		const struct provider *provider = sso_provider(hs, i);
		web_page_named_link(&page, sso_login_url(call->ctx.arena, hs, provider, redirect_url),
			provider->name);
	}
	return web_page_reply(&page, 200);
}

static enum err get_redirect(struct call *call)
{
	const struct homeserver *hs = hs_of(call);
	struct str redirect_url = call_query(call, "redirectUrl");
	if (!sso_is_on(hs)) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "This server has no identity provider");
	}
	if (redirect_url.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'redirectUrl' is missing");
	}
	if (!web_page_url_is_safe(redirect_url)) {
		return sso_refuse(&call->ctx, SSO_NO_CLIENT);
	}
	if (sso_count(hs) > 1) {
		return answer_choice(call, redirect_url);
	}
	return depart(call,
		&(struct sso_wish){.provider_id = sso_provider(hs, 0)->id, .redirect_url = redirect_url});
}

static enum err get_redirect_idp(struct call *call)
{
	struct str redirect_url = call_query(call, "redirectUrl");
	if (redirect_url.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'redirectUrl' is missing");
	}
	return depart(call,
		&(struct sso_wish){.provider_id = call_path(call, "idpId"), .redirect_url = redirect_url});
}

/* For a stage of authentication, from its page. */
static enum err get_stage(struct call *call)
{
	struct uia_session session;
	enum err err = uia_session_find(&call->ctx, hs_of(call), call_query(call, "session"), &session);
	if (err == ERR_MISSING) {
		return answer_failure(call, sso_refuse(&call->ctx, SSO_PAGE_ENDED));
	}
	TRY(err);
	return depart(call,
		&(struct sso_wish){.provider_id = call_path(call, "idpId"), .session = &session});
}

/* A client that the configuration does not know gets its token only if the person says so. */
static enum err answer_unknown_client(struct call *call, const struct sso_result *result)
{
	struct web_page page;
	web_page_begin(&page, call, "要繼續嗎？", "Continue?");
	web_page_text(&page, "您即將以這個帳號登入：", "You are about to log in as:");
	web_page_value(&page, result->user_id);
	web_page_text(&page, "登入的程式或網站是：", "to the program or site:");
	web_page_value(&page, web_page_origin(result->client));
	web_page_text(&page, "只有在您信任它時才繼續；它將能讀取您的訊息。",
		"Continue only if you trust it: it will be able to read your messages.");
	web_page_link(&page, result->url, "繼續", "Continue");
	return web_page_reply(&page, 200);
}

static enum err answer_stage(struct call *call, const struct sso_result *result)
{
	struct web_page page;
	web_page_begin(&page, call, "請確認是您本人", "Please confirm that it is you");
	web_page_text(&page, "您的程式要變更這個帳號的安全設定。如果不是您要求的，請關閉此頁。",
		"A program wants to change something about the security of this account. If you did not ask for that, close "
		"this page.");
	web_page_value(&page, result->user_id);
	web_page_form(&page, STR("confirm"));
	web_page_hidden(&page, STR("ticket"), result->ticket);
	web_page_button(&page, "確認", "Confirm");
	web_page_form_end(&page);
	return web_page_reply(&page, 200);
}

static enum err get_callback(struct call *call)
{
	const struct sso_arrival arrival = {
		.state = call_query(call, "state"),
		.code = call_query(call, "code"),
		.error = call_query(call, "error"),
		.cookies = call_header(call, "Cookie"),
	};
	struct sso_result result;
	enum err err = sso_finish(&call->ctx, hs_of(call), &arrival, &result);
	reply_header(call, "Set-Cookie", result.clear_cookie);
	if (err != ERR_OK) {
		return answer_failure(call, err);
	}
	if (result.is_stage) {
		return answer_stage(call, &result);
	}
	return result.is_trusted ? web_page_redirect(call, result.url)
							 : answer_unknown_client(call, &result);
}

static enum err post_confirm(struct call *call)
{
	enum err err = sso_confirm_stage(&call->ctx, hs_of(call), web_page_posted(call, "ticket"));
	if (err == ERR_MISSING) {
		return answer_failure(call, sso_refuse(&call->ctx, SSO_PAGE_ENDED));
	}
	TRY(err);
	return fallback_answer_done(call);
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route sso_routes[] = {
	{"redirectToSSO", "GET", CLIENT "/login/sso/redirect", AUTH_PAGE, LANE_REMOTE, RATE_LOGIN, 0,
		get_redirect},
	{"redirectToIdP", "GET", CLIENT "/login/sso/redirect/{idpId}", AUTH_PAGE, LANE_REMOTE,
		RATE_LOGIN, 0, get_redirect_idp},
	{"ssoCallback", "GET", SSO_CALLBACK_PATH, AUTH_PAGE, LANE_REMOTE, RATE_LOGIN, 0, get_callback},
	{"ssoStage", "GET", SSO_STAGE_PATH "/{idpId}", AUTH_PAGE, LANE_REMOTE, RATE_LOGIN, 0,
		get_stage},
	{"ssoConfirm", "POST", SSO_CONFIRM_PATH, AUTH_PAGE, LANE_LOCAL, RATE_LOGIN, 0, post_confirm},
};
const size_t sso_route_count = COUNT_OF(sso_routes);
