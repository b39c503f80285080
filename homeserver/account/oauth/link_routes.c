/*
 * User codes. Who types one is signed in first, and each look at one counts as an attempt to log in: so codes cannot be guessed. What is asked
 * for is shown with the code, since whoever sends somebody a link with it wants to get in as them.
 * Spec: client-server API, "Device authorisation flow"; RFC 8628, 3.3 and 5
 */
#include "homeserver/account/oauth/link_routes.h"

#include "homeserver/account/oauth/allow_page.h"
#include "http/uri.h"

/* @param is_again  there was no such code */
static enum err answer_form(struct call *call, const struct web_session *session, bool is_again)
{
	struct str typed = call_query(call, "user_code");
	struct web_page page;
	web_page_begin(&page, call, "登入另一個裝置", "Sign in another device");
	if (is_again) {
		web_page_notice(&page, false, "沒有這個代碼，或者它已經用過或過期了。請看看有沒有打錯。",
			"There is no such code, or it was used or has ended. Look whether it is typed right.");
	}
	web_page_text(&page, "請輸入那個裝置上顯示的代碼。",
		"Type the code that the other device shows.");
	web_session_form(&page, session);
	web_page_field(&page,
		&(struct web_field){.kind = "text",
			.name = "user_code",
			.zh = "代碼",
			.en = "Code",
			.value = typed.n <= OAUTH_LINK_TYPED_MAX ? typed : STR(""),
			.autocomplete = "off",
			.is_first = true});
	web_page_button(&page, "繼續", "Continue");
	web_page_form_end(&page);
	web_page_text(&page, "您的帳號（如果不是您，請先登出）：",
		"Your account (if that is not you, sign out first):");
	web_page_value(&page, session->user_id);
	web_session_write_sign_out(&page, session);
	return web_page_reply(&page, is_again ? 404 : 200);
}

static enum err get_link(struct call *call)
{
	struct str user_code = call_query(call, "user_code");
	struct oauth_request request;
	struct web_session session;
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	TRY(web_session_find(call, &session));
	if (session.user_id.p == NULL) {
		return web_session_ask(call);
	}
	if (user_code.p == NULL) {
		return answer_form(call, &session, false);
	}
	enum err err = oauth_link_find(&call->ctx, hs_of(call), user_code, &request);
	if (err == ERR_MISSING) {
		return answer_form(call, &session, true);
	}
	TRY(err);
	return allow_page_answer(call, &session, &request, oauth_link_code(call->ctx.arena, user_code));
}

/* Who clicks twice answers once: nothing waits for the second, whose session the first has ended. */
static enum err decide(struct call *call, const struct web_session *session, bool is_allowed)
{
	struct oauth_request request;
	struct str user_code = call_query(call, "user_code");
	enum err err = session->user_id.p == NULL
		? ERR_DENIED
		: oauth_link_decide(&call->ctx, hs_of(call), user_code, session, is_allowed);
	if (err == ERR_DENIED) {
		err = oauth_link_find(&call->ctx, hs_of(call), user_code, &request);
		call->ctx.fault = (struct fault){0};
		if (err == ERR_OK) {
			return web_session_ask(call);
		}
	}
	if (err == ERR_MISSING) {
		return web_page_redirect(call, web_done_url(call, "answered"));
	}
	TRY(err);
	TRY(allow_page_end(call, session));
	return web_page_redirect(call, web_done_url(call, is_allowed ? "linked" : "not_linked"));
}

static enum err post_link(struct call *call)
{
	struct arena *arena = call->ctx.arena;
	struct web_session session;
	enum allow_answer answer = allow_page_posted(call);
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	TRY(web_session_find(call, &session));
	bool is_own = web_session_is_own_form(call, &session);
	if (session.user_id.p == NULL && !(is_own && answer != ALLOW_NOTHING)) {
		return web_session_ask(call);
	}
	if (!is_own) {
		return web_session_answer_stale(call);
	}
	if (answer != ALLOW_NOTHING) {
		return decide(call, &session, answer == ALLOW_YES);
	}
	struct str code = uri_encode(arena, str_trim(web_page_posted(call, "user_code")));
	return web_page_redirect(call,
		str_printf(arena, OAUTH_LINK_PATH "?user_code=%.*s", STR_ARG(code)));
}

const struct route link_routes[] = {
	{"oauthLinkPage", "GET", OAUTH_LINK_PATH, AUTH_PAGE, LANE_LOCAL, RATE_LOGIN, 0, get_link},
	{"oauthLink", "POST", OAUTH_LINK_PATH, AUTH_PAGE, LANE_LOCAL, RATE_LOGIN, 0, post_link},
};
const size_t link_route_count = COUNT_OF(link_routes);
