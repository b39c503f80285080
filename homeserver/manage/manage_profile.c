/*
 * The display name. The picture is shown and changed by apps: a page that loads nothing shows no pictures.
 */
#include "homeserver/manage/manage_inner.h"

#include "homeserver/person/persons.h"
#include "homeserver/web_page.h"

static enum err answer(struct call *call, const struct web_session *session, struct str name,
	const struct manage_trouble *trouble)
{
	struct web_page page;
	web_page_begin(&page, call, "顯示名稱", "Display name");
	manage_write_done(&page);
	manage_write_trouble(&page, trouble);
	web_page_value(&page, session->user_id);
	web_session_form(&page, session);
	web_page_field(&page,
		&(struct web_field){.kind = "text",
			.name = "displayname",
			.zh = "別人看到的名字",
			.en = "What others see you called",
			.value = name,
			.is_optional = true});
	web_page_button(&page, "儲存", "Save");
	web_page_form_end(&page);
	web_page_text(&page, "照片請在您的程式中變更。", "Your picture is changed in your app.");
	manage_write_back(&page);
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

enum err manage_show_profile(struct call *call, const struct web_session *session)
{
	struct json profile;
	TRY(profile_get(&call->ctx, hs_of(call), session->user_id, &profile));
	return answer(call, session, json_get_str(&profile, STR("displayname")), NULL);
}

enum err manage_set_profile(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble too_long = {"這個名字太長，或者有不能使用的字元。",
		"This name is too long, or has characters that it may not have."};
	static const struct manage_trouble suspended = {
		"這個帳號目前只能閱讀，不能變更；請洽學校的管理員。",
		"This account can only read at the moment; ask your school's administrator."};
	struct str name = str_trim(web_page_posted(call, "displayname"));
	struct json value = json_string(name);
	struct principal who = {.is_suspended = session->account.is_suspended};
	if (!user_id_parse(session->user_id, &who.user)) {
		return fail_cause(&call->ctx, ERR_INTERNAL, "an account without a valid id");
	}
	call->ctx.memo = NULL; /* from here on it happens, once */
	enum err err =
		profile_set(&call->ctx, hs_of(call), &who, STR("displayname"), name.n > 0 ? &value : NULL);
	if (err == ERR_INPUT || err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
		return answer(call, session, name, err == ERR_INPUT ? &too_long : &suspended);
	}
	TRY(err);
	return web_page_redirect(call, manage_url(call, MANAGE_PROFILE, STR(""), "saved"));
}
