/*
 * Authorisation requests. The request is in the address of page and form, and is read anew each time; the form's proof is of that
 * address, so what is allowed is what was shown.
 * Spec: client-server API, "Authorisation code flow"
 */
#include "homeserver/account/oauth/authorize_routes.h"

#include "homeserver/account/oauth/allow_page.h"
#include "homeserver/account/oauth/web_register.h"
#include "http/uri.h"

/*
 * For requests that cannot go on. Where it is not known from where they come, the browser must not be sent anywhere; else people may go
 * back there, which tells the program. They are not sent by themselves: anybody can register a program, so a link to this page would lead
 * to any place there is, with our name on it (RFC 9700, 4.11.2).
 * @param back  p == NULL: it is not known
 */
static enum err answer_bad_request(struct call *call, struct str text, struct str back)
{
	struct web_page page;
	call->ctx.fault = (struct fault){0};
	web_page_begin(&page, call, "這個登入無法進行", "This sign-in cannot go on");
	web_page_text(&page,
		"請回到原來的程式，從頭再登入一次。如果仍然不行，請更新那個程式，或洽管理員。",
		"Go back to the app that you came from and begin to sign in once more. If it still does not work, update that app, or "
		"ask an administrator.");
	web_page_text(&page, "可以告訴管理員的原因：", "The cause, to tell an administrator:");
	web_page_value(&page, text);
	if (back.p != NULL) {
		web_page_text(&page, "這個登入來自：", "This sign-in comes from:");
		web_page_value(&page, web_page_origin(back));
		web_page_quiet_link(&page, back, "回到那裡", "Go back there");
	}
	return web_page_reply(&page, 400);
}

static enum err leave(struct call *call, struct str url)
{
	return web_page_url_is_safe(url)
		? web_page_redirect(call, url)
		: answer_bad_request(call, STR("The address of the app is not usable"), (struct str){0});
}

/* The request, and who is signed in if anybody is; else what there was to say is the answer. */
static enum err begin(struct call *call, struct oauth_request *out, struct web_session *out_session,
	bool *out_is_answered)
{
	struct ctx *ctx = &call->ctx;
	struct str path;
	struct str query;
	*out_is_answered = true;
	TRY(oauth_require_on(ctx, hs_of(call)));
	uri_split_target(call_raw_target(call), &path, &query);
	enum err err = oauth_request_read(ctx, hs_of(call), query, out);
	if (err == ERR_INPUT || err == ERR_MISSING) {
		return answer_bad_request(call, ctx->fault.text, (struct str){0});
	}
	if (err == ERR_DENIED) {
		return answer_bad_request(call, ctx->fault.text,
			oauth_refusal_url(ctx->arena, out, ctx->fault.errcode, ctx->fault.text));
	}
	TRY(err);
	*out_is_answered = false;
	return web_session_find(call, out_session);
}

/* To where people sign in, or make an account, and come back from. */
static enum err ask_who(struct call *call, const struct oauth_request *request)
{
	struct arena *arena = call->ctx.arena;
	struct str here = call_raw_target(call);
	call->ctx.fault = (struct fault){0};
	return web_page_redirect(call,
		request->wants_registration && web_register_is_on(arena, hs_of(call))
			? web_register_url(arena, here)
			: web_login_url(call, here, request->login_hint));
}

static enum err get_authorize(struct call *call)
{
	struct oauth_request request;
	struct web_session session;
	bool is_answered;
	TRY(begin(call, &request, &session, &is_answered));
	if (is_answered) {
		return ERR_OK;
	}
	return session.user_id.p == NULL ? ask_who(call, &request)
									 : allow_page_answer(call, &session, &request, (struct str){0});
}

static enum err deny(struct call *call, const struct web_session *session,
	const struct oauth_request *request)
{
	TRY(allow_page_end(call, session));
	return leave(call,
		oauth_refusal_url(call->ctx.arena, request, OAUTH_ACCESS_DENIED, STR("The user said no")));
}

static enum err allow(struct call *call, const struct web_session *session,
	const struct oauth_request *request)
{
	struct str url;
	enum err err = oauth_allow(&call->ctx, hs_of(call), request, session, &url);
	if (err == ERR_CONFLICT) {
		return web_page_redirect(call, web_done_url(call, "answered"));
	}
	if (err == ERR_DENIED) {
		return session->user_id.p == NULL
			? ask_who(call, request)
			: answer_bad_request(call, call->ctx.fault.text, (struct str){0});
	}
	TRY(err);
	TRY(allow_page_end(call, session));
	return leave(call, url);
}

/* A second click comes from a browser whose session the first has ended: the form's proof shows that it was asked. */
static enum err post_authorize(struct call *call)
{
	struct oauth_request request;
	struct web_session session;
	bool is_answered;
	TRY(begin(call, &request, &session, &is_answered));
	if (is_answered) {
		return ERR_OK;
	}
	enum allow_answer answer = allow_page_posted(call);
	bool is_own = web_session_is_own_form(call, &session);
	if (session.user_id.p == NULL && !is_own) {
		return ask_who(call, &request);
	}
	if (!is_own || answer == ALLOW_NOTHING) {
		return web_session_answer_stale(call);
	}
	return answer == ALLOW_NO ? deny(call, &session, &request) : allow(call, &session, &request);
}

const struct route authorize_routes[] = {
	{"oauthAuthorizePage", "GET", OAUTH_AUTHORIZE_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0,
		get_authorize},
	{"oauthAuthorize", "POST", OAUTH_AUTHORIZE_PATH, AUTH_PAGE, LANE_LOCAL, RATE_WRITE, 0,
		post_authorize},
};
const size_t authorize_route_count = COUNT_OF(authorize_routes);
