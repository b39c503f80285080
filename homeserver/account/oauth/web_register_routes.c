/*
 * A new account. It asks for what registration by apps asks for (register_flows), but for a confirmed e-mail address: where one is needed, there is no
 * such page.
 */
#include "homeserver/account/oauth/web_register_routes.h"

#include "homeserver/account/accounts.h"
#include "homeserver/account/identifier.h"
#include "homeserver/account/login.h"
#include "homeserver/account/oauth/web_register.h"
#include "homeserver/account/oauth/web_visit.h"
#include "homeserver/account/password.h"
#include "homeserver/account/register.h"
#include "homeserver/account/terms.h"
#include "homeserver/account/uia_stage.h"
#include "homeserver/web_help.h"
#include "http/uri.h"

/* The flow without an address; NULL: there is none. */
static const struct uia_flow *flow_of(struct arena *arena, const struct homeserver *hs)
{
	const struct uia_flows *flows = register_flows(arena, hs);
	for (size_t i = 0; flows != NULL && i < flows->count; i++) {
		const struct uia_flows one = {.flows = &flows->flows[i], .count = 1};
		if (!uia_has_stage(&one, UIA_EMAIL)) {
			return &flows->flows[i];
		}
	}
	return NULL;
}

static bool asks_for(struct call *call, enum uia_stage stage)
{
	const struct uia_flows one = {.flows = flow_of(call->ctx.arena, hs_of(call)), .count = 1};
	return uia_has_stage(&one, stage);
}

bool web_register_is_on(struct arena *arena, const struct homeserver *hs)
{
	return hs->settings.account.passwords_are_on && flow_of(arena, hs) != NULL;
}

struct str web_register_url(struct arena *arena, struct str next)
{
	struct str target = uri_encode(arena, next);
	return str_printf(arena, WEB_REGISTER_PATH "?next=%.*s", STR_ARG(target));
}

/* The pages have long addresses: that of the home page is short enough to be told to parents. */
void accounts_write_ways(struct web_page *page)
{
	const struct homeserver *hs = hs_of(page->call);
	struct arena *arena = page->call->ctx.arena;
	if (!oauth_is_on(hs)) {
		return;
	}
	web_page_link(page, STR(OAUTH_ACCOUNT_PATH), "我的帳號", "My account");
	if (web_register_is_on(arena, hs)) {
		web_page_quiet_link(page, web_register_url(arena, STR(OAUTH_ACCOUNT_PATH)), "建立帳號",
			"Create an account");
	}
}

/* --- the page --------------------------------------------------------------------------------------------- */

struct trouble {
	const char *errcode; /* NULL: any other */
	const char *zh;
	const char *en;
};

/* Name and token that were filled in before stay: the token is long, and typed on a phone. */
static void write_fields(struct web_page *page, struct str name)
{
	web_page_field(page,
		&(struct web_field){.kind = "text",
			.name = "user",
			.zh = "使用者名稱（小寫英文字母、數字和 . _ - =）",
			.en = "User name (small letters, digits and . _ - =)",
			.value = name,
			.autocomplete = "username"});
	password_write_fields(page, &hs_of(page->call)->settings);
	if (asks_for(page->call, UIA_REGISTRATION_TOKEN)) {
		web_page_field(page,
			&(struct web_field){.kind = "text",
				.name = "token",
				.zh = "註冊碼",
				.en = "Registration token",
				.value = str_trim(web_page_posted(page->call, "token")),
				.autocomplete = "off"});
	}
	if (asks_for(page->call, UIA_TERMS)) {
		terms_write_links(page, &hs_of(page->call)->settings);
		web_page_checkbox(page, "terms", false, "我已閱讀並同意上列文件",
			"I have read these documents and accept them");
	}
}

static enum err answer_page(struct call *call, struct web_visit *visit, struct str name,
	const struct trouble *trouble)
{
	struct web_page page;
	web_visit_give_cookie(call, visit);
	web_page_begin(&page, call, "建立帳號", "Create an account");
	if (trouble != NULL) {
		web_page_notice(&page, false, trouble->zh, trouble->en);
	}
	web_page_value(&page, hs_of(call)->settings.server_name.s);
	web_page_form(&page, STR(""));
	web_page_hidden(&page, STR("proof"), web_visit_proof(call->ctx.arena, visit, "register"));
	write_fields(&page, name);
	web_page_button(&page, "建立", "Create it");
	web_page_form_end(&page);
	web_page_quiet_link(&page, web_login_url(call, visit->next, STR("")), "已經有帳號？登入",
		"Have an account? Log in");
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

static enum err answer_closed(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "這裡不能自行註冊", "Registration is closed here");
	web_page_text(&page, "請向學校的管理員索取帳號。",
		"Ask your school's administrator for an account.");
	web_help_write(&page);
	web_page_link(&page, web_login_url(call, web_visit_of(call).next, STR("")), "登入", "Log in");
	return web_page_reply(&page, 403);
}

static enum err get_register(struct call *call)
{
	struct web_visit visit = web_visit_of(call);
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	return web_register_is_on(call->ctx.arena, hs_of(call))
		? answer_page(call, &visit, STR(""), NULL)
		: answer_closed(call);
}

/* --- the account -------------------------------------------------------------------------------------------- */

/* What the form says, checked; the password is not hashed yet. */
static enum err read_wish(struct call *call, struct str name, struct account_wish *out)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	*out = (struct account_wish){.appservices = &hs->ports.appservices};
	TRY(new_user_id(ctx, name, hs->settings.server_name, &out->user_id));
	if (!str_equals(web_page_posted(call, "new"), web_page_posted(call, "again"))) {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "The passwords are not the same");
	}
	TRY(password_check_policy(ctx, &hs->settings, web_page_posted(call, "new")));
	if (asks_for(call, UIA_TERMS)) {
		if (web_page_posted(call, "terms").n == 0) {
			return fail(ctx, ERR_INPUT, M_CONSENT_NOT_GIVEN, "The terms are not accepted");
		}
		out->terms = terms_current(ctx->arena, &hs->settings);
	}
	if (asks_for(call, UIA_REGISTRATION_TOKEN)) {
		out->registration_token = str_trim(web_page_posted(call, "token"));
		TRY(uia_check_registration_token(ctx, hs, out->registration_token));
	}
	return account_check_free(ctx, hs->db, out);
}

static enum err make(struct call *call, struct account_wish *wish, struct account_row *out)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	struct str user_id;
	wish->password_hash = password_make_hash(ctx, &hs->settings, web_page_posted(call, "new"));
	TRY(account_make(ctx, hs->db, &hs->rng, clock_wall_ms(&hs->clock), hs->settings.server_name,
		wish, &user_id));
	return store_account_find(ctx, hs->db, user_id, out);
}

static const struct trouble *trouble_of(struct call *call)
{
	static const struct trouble troubles[] = {
		{M_INVALID_USERNAME, "這個使用者名稱不能使用，請換一個。",
			"This user name cannot be used; choose another."},
		{M_USER_IN_USE, "這個使用者名稱已經有人使用，請換一個。",
			"This user name is taken; choose another."},
		{M_EXCLUSIVE, "這個使用者名稱已經保留，請換一個。",
			"This user name is reserved; choose another."},
		{M_WEAK_PASSWORD, "這個密碼太短，請換一個。",
			"This password is too short; choose another."},
		{M_INVALID_PARAM, "這個密碼太長，請換一個。", "This password is too long; choose another."},
		{M_MISSING_PARAM, "兩次輸入的密碼不一樣。", "The two passwords are not the same."},
		{M_CONSENT_NOT_GIVEN, "請先同意使用條款。", "Please accept the terms first."},
		{NULL, "這個註冊碼無效，或者已經用完了。",
			"This registration token is not valid, or is used up."},
	};
	size_t i = 0;
	while (troubles[i].errcode != NULL &&
		!str_equals(str_of(call->ctx.fault.errcode), str_of(troubles[i].errcode))) {
		i++;
	}
	call->ctx.fault = (struct fault){0};
	return &troubles[i];
}

/* The first has made the account, and used up its token: the password shows whose it is, as at the log-in. */
static bool is_second_click(struct call *call, enum err err, const struct account_wish *wish,
	struct account_row *out)
{
	struct fault fault = call->ctx.fault;
	bool is_had = err == ERR_DENIED ||
		(err == ERR_INPUT && str_equals(str_of(fault.errcode), STR(M_USER_IN_USE)));
	bool is_second = is_had &&
		login_check_password(call, &(struct identifier){.user_id = wish->user_id},
			web_page_posted(call, "new"), out) == ERR_OK;
	call->ctx.fault = fault;
	return is_second;
}

static enum err answer_unproven(struct call *call, struct web_visit *visit, struct str name)
{
	static const struct trouble ended = {NULL, "這一頁開著太久了，請再試一次。",
		"This page was open for too long; try again."};
	bool is_second;
	TRY(web_visit_is_second(call,
		local_user_id(call->ctx.arena, name, hs_of(call)->settings.server_name), &is_second));
	return is_second ? web_page_redirect(call, visit->next)
					 : answer_page(call, visit, name, &ended);
}

static enum err post_register(struct call *call)
{
	struct web_visit visit = web_visit_of(call);
	struct str name = str_trim(web_page_posted(call, "user"));
	struct account_wish wish;
	struct account_row account;
	TRY(oauth_require_on(&call->ctx, hs_of(call)));
	if (!web_register_is_on(call->ctx.arena, hs_of(call))) {
		return answer_closed(call);
	}
	if (!web_visit_is_proven(call, &visit, "register", web_page_posted(call, "proof"))) {
		return answer_unproven(call, &visit, name);
	}
	enum err err = read_wish(call, name, &wish);
	if (err == ERR_OK) {
		err = make(call, &wish, &account);
	}
	if (is_second_click(call, err, &wish, &account)) {
		return web_visit_let_in(call, &visit, &account, true);
	}
	if (err == ERR_INPUT || err == ERR_DENIED) {
		return answer_page(call, &visit, name, trouble_of(call));
	}
	TRY(err);
	return web_visit_let_in(call, &visit, &account, true);
}

const struct route web_register_routes[] = {
	{"webRegisterPage", "GET", WEB_REGISTER_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0,
		get_register},
	{"webRegister", "POST", WEB_REGISTER_PATH, AUTH_PAGE, LANE_SLOW, RATE_REGISTER, 0,
		post_register},
};
const size_t web_register_route_count = COUNT_OF(web_register_routes);
