/*
 * The first page: who is signed in, and what there is.
 */
#include "homeserver/manage/manage_inner.h"

#include "homeserver/web_page.h"

static void add_item(struct web_page *page, const char *action, const struct web_item *item)
{
	web_page_list_item(page, manage_url(page->call, action, STR(""), NULL), item);
}

static enum err write_addresses(struct web_page *page, const struct web_session *session)
{
	struct call *call = page->call;
	struct threepid_row *rows;
	size_t count;
	if (!accounts_take_email(hs_of(call))) {
		return ERR_OK;
	}
	TRY(threepids_list(&call->ctx, hs_of(call), session->user_id, &rows, &count));
	web_page_heading(page, "電子郵件", "E-mail addresses");
	for (size_t i = 0; i < count; i++) {
		web_page_value(page, rows[i].address);
	}
	web_page_text(page,
		count > 0
			? "要移除，請到程式的設定；要新增，請用自己詢問密碼的程式，在網頁登入的程式不能新增。"
			: "還沒有。要新增，請用自己詢問密碼的程式，在網頁登入的程式不能新增。",
		count > 0
			? "They are removed in an app's settings. To add one, use an app that asks for the password itself; apps that sign in "
			  "by these pages cannot."
			: "None yet. To add one, use an app that asks for the password itself; apps that sign in by these pages cannot.");
	return ERR_OK;
}

enum err manage_show_overview(struct call *call, const struct web_session *session)
{
	static const struct web_item profile = {"顯示名稱", "Display name", "別人看到的名字",
		"What others see you called"};
	static const struct web_item devices = {"裝置", "Devices", "看看在哪裡登入了，也可以登出",
		"See where you are signed in, and sign out there"};
	static const struct web_item password = {"密碼", "Password", "變更密碼", "Change it"};
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
	add_item(&page, MANAGE_DEACTIVATE, &end);
	web_page_list_end(&page);
	if (!manage_has_password(hs_of(call), session)) {
		web_page_text(&page, "您用學校的登入系統登入；密碼請在那裡變更。",
			"You sign in by your identity provider; your password is changed there.");
	}
	TRY(write_addresses(&page, session));
	web_session_write_sign_out(&page, session);
	return web_page_reply(&page, 200);
}
