/*
 * The first page: who is signed in, and what there is.
 */
#include "homeserver/manage/manage_inner.h"

#include "homeserver/web_page.h"

static void add_item(struct web_page *page, const char *action, const struct web_item *item)
{
	web_page_list_item(page, manage_url(page->call, action, STR(""), NULL), item);
}

enum err manage_show_overview(struct call *call, const struct web_session *session)
{
	static const struct web_item profile = {"顯示名稱", "Display name", "別人看到的名字",
		"What others see you called"};
	static const struct web_item devices = {"裝置", "Devices", "看看在哪裡登入了，也可以登出",
		"See where you are signed in, and sign out there"};
	static const struct web_item password = {"密碼", "Password", "變更密碼", "Change it"};
	static const struct web_item email = {"電子郵件", "E-mail addresses",
		"新增或移除；忘記密碼時會用到", "Add or remove them; for when you forget the password"};
	static const struct web_item end = {"停用帳號", "Deactivate", "永久停用，無法復原",
		"For ever; this cannot be undone"};
	struct web_page page;
	web_page_begin(&page, call, "我的帳號", "My account");
	manage_write_done(&page);
	web_page_value(&page, session->user_id);
	web_page_list(&page);
	add_item(&page, MANAGE_PROFILE, &profile);
	add_item(&page, MANAGE_DEVICES_LIST, &devices);
	if (manage_has_password(hs_of(call), session)) {
		add_item(&page, MANAGE_PASSWORD, &password);
	}
	if (accounts_take_email(hs_of(call))) {
		add_item(&page, MANAGE_EMAIL, &email);
	}
	add_item(&page, MANAGE_DEACTIVATE, &end);
	web_page_list_end(&page);
	if (!manage_has_password(hs_of(call), session)) {
		web_page_text(&page, "您用學校的登入系統登入；密碼請在那裡變更。",
			"You sign in by your identity provider; your password is changed there.");
	}
	web_session_write_sign_out(&page, session);
	return web_page_reply(&page, 200);
}
