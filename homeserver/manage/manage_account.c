/*
 * Password, end of the account, reset of the cross-signing keys.
 */
#include "homeserver/manage/manage_inner.h"

#include "homeserver/web_page.h"

/* --- the password -------------------------------------------------------------------------------------------- */

static enum err answer_password(struct call *call, const struct web_session *session,
	const struct manage_trouble *trouble)
{
	struct web_page page;
	web_page_begin(&page, call, "變更密碼", "Change the password");
	manage_write_trouble(&page, trouble);
	web_page_value(&page, session->user_id);
	web_session_form(&page, session);
	web_page_hidden_user(&page, session->user_id);
	password_write_fields(&page, &hs_of(call)->settings);
	password_write_logout(&page);
	web_page_button(&page, "變更", "Change it");
	web_page_form_end(&page);
	manage_write_back(&page);
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

static enum err answer_no_password(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "密碼", "Password");
	web_page_text(&page, "這個帳號在這裡沒有密碼。您用學校的登入系統登入；密碼請在那裡變更。",
		"This account has no password here. You sign in by your identity provider; your password is changed there.");
	manage_write_back(&page);
	return web_page_reply(&page, 200);
}

enum err manage_show_password(struct call *call, const struct web_session *session)
{
	return manage_has_password(hs_of(call), session) ? answer_password(call, session, NULL)
													 : answer_no_password(call);
}

/* All that lets the user in ends with the old password, this page's session too: it begins anew. */
static enum err change(struct call *call, const struct web_session *session, struct str password)
{
	struct homeserver *hs = hs_of(call);
	struct account_row account;
	TRY(password_change(&call->ctx, hs,
		&(struct password_wish){
			.user_id = session->user_id,
			.password = password,
			.logout_others = web_page_posted(call, "logout").n > 0,
		}));
	enum err err = store_account_find(&call->ctx, hs->db, session->user_id, &account);
	TRY(err == ERR_MISSING ? ERR_OK : err);
	if (err == ERR_OK) {
		TRY(web_session_begin(call, &account, session->is_for_account));
	}
	return web_page_redirect(call, STR(OAUTH_ACCOUNT_PATH "?done=password"));
}

enum err manage_set_password(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble not_same = {"兩次輸入的密碼不一樣。",
		"The two passwords are not the same."};
	static const struct manage_trouble weak = {"這個密碼太短（或太長），請換一個。",
		"This password is too short (or too long); choose another."};
	struct str password = web_page_posted(call, "new");
	if (!manage_has_password(hs_of(call), session)) {
		return answer_no_password(call);
	}
	if (!str_equals(password, web_page_posted(call, "again"))) {
		return answer_password(call, session, &not_same);
	}
	enum err err = password_check_policy(&call->ctx, &hs_of(call)->settings, password);
	if (err == ERR_INPUT) {
		call->ctx.fault = (struct fault){0};
		return answer_password(call, session, &weak);
	}
	TRY(err);
	call->ctx.memo = NULL; /* from here on it happens, once */
	return change(call, session, password);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static enum err answer_end(struct call *call, const struct web_session *session,
	const struct manage_trouble *trouble)
{
	struct web_page page;
	web_page_begin(&page, call, "停用帳號", "Deactivate the account");
	manage_write_trouble(&page, trouble);
	web_page_value(&page, session->user_id);
	web_page_text(&page,
		"停用後就不能再登入，這個名稱也不能再使用；您會離開所有聊天室。這無法復原，管理員也做不到。",
		"Nobody can sign in to it any more or use its name again, and it leaves all rooms. This cannot be undone, not even by "
		"an administrator.");
	web_session_form(&page, session);
	web_page_checkbox(&page, "erase", false, "也對之後才加入聊天室的人隱藏我的訊息",
		"Also hide my messages from people who join the rooms later");
	web_page_field(&page,
		&(struct web_field){.kind = "text",
			.name = "name",
			.zh = "請輸入您的使用者名稱以確認",
			.en = "Type your user name to confirm",
			.autocomplete = "off"});
	web_page_choice(&page, WEB_BUTTON_DANGER, "sure", "1", "永久停用", "Deactivate for ever");
	web_page_form_end(&page);
	manage_write_back(&page);
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

enum err manage_show_end(struct call *call, const struct web_session *session)
{
	return answer_end(call, session, NULL);
}

enum err manage_end(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble other_name = {"這不是您的使用者名稱。帳號沒有停用。",
		"That is not your user name. The account is not deactivated."};
	struct homeserver *hs = hs_of(call);
	enum unbind_result result = UNBIND_SUCCESS;
	struct str typed = local_user_id(call->ctx.arena, str_trim(web_page_posted(call, "name")),
		hs->settings.server_name);
	if (!str_equals(typed, session->user_id)) {
		return answer_end(call, session, &other_name);
	}
	TRY(threepid_unbind_all(&call->ctx, hs, session->user_id, (struct str){0}, &result));
	call->ctx.memo = NULL; /* from here on it happens, once */
	TRY(deactivate(&call->ctx, hs, session->user_id, web_page_posted(call, "erase").n > 0));
	TRY(web_session_end(call));
	return web_page_redirect(call, web_done_url(call, "deactivated"));
}

/* --- new cross-signing keys ------------------------------------------------------------------------------------- */

static enum err answer_no_reset(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "重設加密身分", "Reset the encryption identity");
	web_page_text(&page,
		"請在您的程式中開始重設；它會帶您到這裡確認。如果您是從那裡來的，請回去再試一次。",
		"Begin the reset in your app: it brings you here to confirm. If you have come from there, go back and try again.");
	manage_write_back(&page);
	return web_page_reply(&page, 200);
}

static enum err answer_reset_done(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "已允許重設", "The reset is allowed");
	web_page_text(&page, "請回到您的程式，它會完成重設。您可以關閉此頁。",
		"Go back to your app, which completes the reset. You can close this page.");
	return web_page_reply(&page, 200);
}

/* The session of user-interactive authentication that the address names. Errors: MISSING (no fault text): none of this user; STORE */
static enum err find_uia(struct call *call, const struct web_session *session,
	struct uia_session *out)
{
	struct str id = call_query(call, "session");
	TRY(id.n > 0 ? uia_session_find(&call->ctx, hs_of(call), id, out) : ERR_MISSING);
	return str_equals(out->user_id, session->user_id) ? ERR_OK : ERR_MISSING;
}

enum err manage_show_reset(struct call *call, const struct web_session *session)
{
	struct uia_session uia;
	struct web_page page;
	enum err err = find_uia(call, session, &uia);
	if (err == ERR_MISSING) {
		return answer_no_reset(call);
	}
	TRY(err);
	if ((uia.completed & 1U << UIA_OAUTH) != 0) {
		return answer_reset_done(call);
	}
	web_page_begin(&page, call, "重設加密身分？", "Reset the encryption identity?");
	web_page_value(&page, session->user_id);
	web_page_text(&page,
		"您的程式要重設您的加密身分。之後，您的其他裝置和聯絡人都要重新驗證；沒有備份的舊訊息可能無法再讀。",
		"Your app wants to reset your encryption identity. Your other devices and your contacts have to verify you anew then, and old "
		"messages without a backup may be lost.");
	web_page_text(&page, "只有在您剛剛自己要求重設時才允許。",
		"Allow it only if you have just asked for that yourself.");
	web_session_form(&page, session);
	web_page_choice(&page, WEB_BUTTON_DANGER, "sure", "1", "允許重設", "Allow the reset");
	web_page_form_end(&page);
	manage_write_back(&page);
	return web_page_reply(&page, 200);
}

enum err manage_reset(struct call *call, const struct web_session *session)
{
	struct uia_session uia;
	enum err err = find_uia(call, session, &uia);
	if (err == ERR_OK) {
		err = uia_session_complete(&call->ctx, hs_of(call), &uia, UIA_OAUTH, NULL);
	}
	if (err == ERR_MISSING) {
		return answer_no_reset(call);
	}
	TRY(err);
	return web_page_redirect(call,
		uia_oauth_url(call->ctx.arena, hs_of(call), call_query(call, "session")));
}
