/*
 * Names are what clients say of themselves: only the host to which the browser goes back is known to be theirs.
 */
#include "homeserver/account/oauth/allow_page.h"

static void write_link(struct web_page *page, struct str url, const char *zh, const char *en)
{
	if (url.n > 0) {
		web_page_text_link(page, url, zh, en);
	}
}

static struct str or_other(struct str first, struct str other)
{
	return first.n > 0 ? first : other;
}

/* Which program: its name in one language or two, and what is known about where it is. */
static void write_client(struct web_page *page, const struct oauth_request *request)
{
	const struct oauth_client *client = &request->client;
	struct str origin = web_page_origin(client->uri);
	struct str name = or_other(or_other(client->name_zh, client->name), origin);
	if (client->name_zh.n > 0 && client->name.n > 0 && !str_equals(client->name_zh, client->name)) {
		name = str_printf(page->call->ctx.arena, "%.*s (%.*s)", STR_ARG(client->name_zh),
			STR_ARG(client->name));
	}
	web_page_value(page, name);
	if (request->redirect_uri.p == NULL) {
		web_page_text(page,
			"它在另一個裝置上。名稱是它自己說的，所以只有在您剛剛自己在那裡開始登入時才允許。",
			"It is on another device. The name is what it says of itself, so allow it only if you have just begun to sign in there "
			"yourself.");
	} else if (oauth_redirect_is_local(request->redirect_uri)) {
		web_page_text(page,
			"它在這個裝置上。這裡的任何程式都可能自稱這個名稱，所以只有在您剛剛自己開始登入時才允許。",
			"It is on this device, where any app could use this name, so allow it only if you have just begun to sign in with it "
			"yourself.");
	} else {
		web_page_text(page, "回答後，瀏覽器會回到：", "Your answer takes you back to:");
		web_page_value(page, web_page_origin(request->redirect_uri));
	}
	write_link(page, or_other(client->policy_uri_zh, client->policy_uri), "它的隱私權政策",
		"Its privacy policy");
	write_link(page, or_other(client->tos_uri_zh, client->tos_uri), "它的使用條款",
		"Its terms of service");
}

enum err allow_page_answer(struct call *call, const struct web_session *session,
	const struct oauth_request *request, struct str user_code)
{
	struct web_page page;
	web_page_begin(&page, call, "允許這個程式使用您的帳號嗎？",
		"Allow this app to use your account?");
	write_client(&page, request);
	if (user_code.p != NULL) {
		web_page_text(&page, "那個裝置上顯示的代碼必須是：",
			"The code that the other device shows has to be:");
		web_page_value(&page, user_code);
	}
	web_page_text(&page,
		"它能以您的身分讀取和傳送訊息、加入聊天室、變更個人資料。它看不到您的密碼。",
		"It will be able to read and send messages, join rooms and change your profile as you. It does not see your password.");
	web_page_text(&page, "您的帳號（如果不是您，請先登出）：",
		"Your account (if that is not you, sign out first):");
	web_page_value(&page, session->user_id);
	web_session_form(&page, session);
	web_page_choice(&page, WEB_BUTTON_MAIN, "answer", "allow", "允許", "Allow");
	web_page_choice(&page, WEB_BUTTON_QUIET, "answer", "deny", "拒絕", "Deny");
	web_page_form_end(&page);
	web_session_write_sign_out(&page, session);
	if (request->redirect_uri.p != NULL) {
		web_page_allow_target(&page, request->redirect_uri);
	}
	return web_page_reply(&page, 200);
}

enum allow_answer allow_page_posted(struct call *call)
{
	struct str answer = web_page_posted(call, "answer");
	return str_equals(answer, STR("allow")) ? ALLOW_YES
		: str_equals(answer, STR("deny"))   ? ALLOW_NO
											: ALLOW_NOTHING;
}

enum err allow_page_end(struct call *call, const struct web_session *session)
{
	return session->is_for_account ? ERR_OK : web_session_end_by_answer(call);
}
