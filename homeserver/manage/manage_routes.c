/*
 * Account management: which page, for whom. Each page is an action of the specification's list, which stands in the address.
 * Spec: client-server API, "Account management URL actions"
 */
#include "homeserver/manage/manage_routes.h"

#include "homeserver/manage/manage_inner.h"
#include "http/memo.h"
#include "http/uri.h"

struct action {
	const char *name;
	const char
		*older_name; /* by which programs of before the specification ask for it; NULL: none */
	bool is_final;   /* wants a fresh log-in */
	manage_handler *show;
	manage_handler *act; /* NULL: the page has no form */
};

static const struct action actions[] = {
	{MANAGE_PROFILE, NULL, false, manage_show_profile, manage_set_profile},
	{MANAGE_DEVICES_LIST, "org.matrix.sessions_list", false, manage_show_devices, NULL},
	{MANAGE_DEVICE_VIEW, "org.matrix.session_view", false, manage_show_device,
		manage_rename_device},
	{MANAGE_DEVICE_DELETE, "org.matrix.session_end", true, manage_show_sign_out, manage_sign_out},
	{MANAGE_DEACTIVATE, NULL, true, manage_show_end, manage_end},
	{OAUTH_ACTION_CROSS_SIGNING_RESET, NULL, true, manage_show_reset, manage_reset},
	{MANAGE_PASSWORD, NULL, true, manage_show_password, manage_set_password},
	{MANAGE_EMAIL, NULL, true, manage_show_email, manage_set_email},
};
/* For an address without action, or with one that we do not have. */
static const struct action overview = {"", NULL, false, manage_show_overview, NULL};

static const struct action *action_of(struct call *call)
{
	struct str name = call_query(call, "action");
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		const struct action *action = &actions[i];
		if (str_equals(name, str_of(action->name)) ||
			(action->older_name != NULL && str_equals(name, str_of(action->older_name)))) {
			return action;
		}
	}
	return &overview;
}

/* A log-in for an app may have passed at a provider without a question: see sso.c. */
static bool may_do_all(const struct homeserver *hs, const struct web_session *session)
{
	return session->is_for_account && web_session_is_fresh(hs, session);
}

/* The session, if it is good enough for the action; else the log-in page was the answer. */
static enum err find_session(struct call *call, const struct action *action,
	struct web_session *out, bool *out_is_answered)
{
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	TRY(web_session_find(call, out));
	*out_is_answered =
		out->user_id.p == NULL || (action->is_final && !may_do_all(hs_of(call), out));
	return *out_is_answered ? web_session_ask(call) : ERR_OK;
}

static enum err get_account(struct call *call)
{
	const struct action *action = action_of(call);
	struct web_session session;
	bool is_answered;
	TRY(find_session(call, action, &session, &is_answered));
	return is_answered ? ERR_OK : action->show(call, &session);
}

static enum err post_account(struct call *call)
{
	const struct action *action = action_of(call);
	struct web_session session;
	bool is_answered;
	call_begin_memo_early(call);
	TRY(find_session(call, action, &session, &is_answered));
	if (is_answered) {
		return ERR_OK;
	}
	if (!web_session_is_own_form(call, &session)) {
		return web_session_answer_stale(call);
	}
	return action->act != NULL ? action->act(call, &session) : action->show(call, &session);
}

/* The form for a new address stands on the page of addresses, to which everything else leads back. */
static enum err post_mail(struct call *call)
{
	struct web_session session;
	struct str there = manage_url(call, MANAGE_EMAIL, STR(""), NULL);
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	TRY(web_session_find(call, &session));
	return session.user_id.p != NULL && may_do_all(hs_of(call), &session) &&
			web_session_is_own_form(call, &session)
		? manage_mail_address(call, &session)
		: web_page_redirect(call, there);
}

/* --- what the pages share --------------------------------------------------------------------------------- */

struct str manage_url(struct call *call, const char *action, struct str device_id, const char *done)
{
	struct arena *arena = call->ctx.arena;
	struct str url = str_printf(arena, OAUTH_ACCOUNT_PATH "?action=%s", action);
	if (device_id.n > 0) {
		struct str id = uri_encode(arena, device_id);
		url = str_printf(arena, "%.*s&device_id=%.*s", STR_ARG(url), STR_ARG(id));
	}
	return done == NULL ? url : str_printf(arena, "%.*s&done=%s", STR_ARG(url), done);
}

void manage_write_done(struct web_page *page)
{
	static const struct {
		const char *word;
		const char *zh;
		const char *en;
	} done[] = {
		{"saved", "已儲存。", "Saved."},
		{"signed_out", "已登出該裝置。", "The device is signed out."},
		{"password", "密碼已變更。", "The password is changed."},
		{"mailed", "信件已寄出。請開啟信中的連結；需要時請在那裡再登入一次。",
			"A mail is on its way. Open its link, and sign in there once more if you are asked to."},
		{"added", "已新增。", "The address is added."},
		{"removed", "已移除。", "The address is removed."},
	};
	struct str word = call_query(page->call, "done");
	for (size_t i = 0; i < COUNT_OF(done); i++) {
		if (str_equals(word, str_of(done[i].word))) {
			web_page_notice(page, true, done[i].zh, done[i].en);
		}
	}
}

void manage_write_trouble(struct web_page *page, const struct manage_trouble *trouble)
{
	if (trouble != NULL) {
		web_page_notice(page, false, trouble->zh, trouble->en);
	}
}

void manage_write_back(struct web_page *page)
{
	web_page_quiet_link(page, STR(OAUTH_ACCOUNT_PATH), "回到我的帳號", "Back to my account");
}

bool manage_has_password(const struct homeserver *hs, const struct web_session *session)
{
	return hs->settings.account.passwords_are_on && session->account.password_hash.p != NULL;
}

const struct route manage_routes[] = {
	{"accountPage", "GET", OAUTH_ACCOUNT_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0, get_account},
	{"accountAct", "POST", OAUTH_ACCOUNT_PATH, AUTH_PAGE, LANE_SLOW, RATE_WRITE, 0, post_account},
	{"accountMail", "POST", MANAGE_MAIL_PATH, AUTH_PAGE, LANE_REMOTE, RATE_REGISTER, 0, post_mail},
};
const size_t manage_route_count = COUNT_OF(manage_routes);
