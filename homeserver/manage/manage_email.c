/*
 * E-mail addresses: the list, a new one, the end of one. A new one is added by who opens the mail's link and is signed in: what the mail proves and whose
 * account it is for are asked of the same person.
 */
#include "homeserver/manage/manage_inner.h"

#include "homeserver/web_page.h"

static enum err answer_none(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "電子郵件", "E-mail addresses");
	web_page_text(&page, "這個伺服器不使用電子郵件地址。", "This server uses no e-mail addresses.");
	manage_write_back(&page);
	return web_page_reply(&page, 200);
}

static void write_removal(struct web_page *page, const struct web_session *session,
	struct str address)
{
	web_page_value(page, address);
	web_session_form(page, session);
	web_page_hidden(page, STR("address"), address);
	web_page_choice(page, WEB_BUTTON_QUIET, "remove", "1", "移除這個地址", "Remove this address");
	web_page_form_end(page);
}

/* It is sent by a route of its own, which may wait for the mail relay. */
static void write_add_form(struct web_page *page, const struct web_session *session)
{
	web_page_heading(page, "新增", "Add one");
	web_page_form(page, STR(MANAGE_MAIL_PATH));
	web_page_hidden(page, STR("proof"),
		web_form_proof(page->call->ctx.arena, session->secret, STR(MANAGE_MAIL_PATH)));
	web_page_field(page,
		&(struct web_field){.kind = "email",
			.name = "new_address",
			.zh = "電子郵件地址",
			.en = "E-mail address",
			.autocomplete = "email"});
	web_page_button(page, "寄確認信", "Send a mail to confirm it");
	web_page_form_end(page);
}

static enum err answer_list(struct call *call, const struct web_session *session,
	const struct manage_trouble *trouble)
{
	struct threepid_row *rows;
	size_t count;
	struct web_page page;
	TRY(threepids_list(&call->ctx, hs_of(call), session->user_id, &rows, &count));
	web_page_begin(&page, call, "電子郵件", "E-mail addresses");
	manage_write_done(&page);
	manage_write_trouble(&page, trouble);
	web_page_text(&page, "忘記密碼時，我們會寄信到這些地址。",
		"If you forget the password, a mail to one of these lets you set a new one.");
	for (size_t i = 0; i < count; i++) {
		write_removal(&page, session, rows[i].address);
	}
	if (count == 0) {
		web_page_text(&page, "還沒有地址。", "There is none yet.");
	}
	write_add_form(&page, session);
	manage_write_back(&page);
	return web_page_reply(&page, trouble != NULL ? 400 : 200);
}

/* --- a new one ------------------------------------------------------------------------------------------------ */

static const struct manage_trouble bad_link = {
	"這個連結已經用過、已過期，或沒有完整複製。",
	"This link was used, has expired, or was not copied as a whole.",
};

static enum err answer_new(struct call *call, const struct web_session *session)
{
	struct email_validation_row row;
	struct web_page page;
	enum err err = email_proof_peek(&call->ctx, hs_of(call), call_query(call, "sid"),
		call_query(call, "token"), &row);
	if (err == ERR_MISSING || (err == ERR_OK && row.purpose != EMAIL_ADD)) {
		return answer_list(call, session, &bad_link);
	}
	TRY(err);
	web_page_begin(&page, call, "新增這個電子郵件地址？", "Add this e-mail address?");
	web_page_value(&page, row.address);
	web_page_text(&page, "到您的帳號：", "To your account:");
	web_page_value(&page, session->user_id);
	web_session_form(&page, session);
	web_page_hidden(&page, STR("address"), row.address);
	web_page_choice(&page, WEB_BUTTON_MAIN, "sure", "1", "確認", "Confirm");
	web_page_form_end(&page);
	manage_write_back(&page);
	return web_page_reply(&page, 200);
}

/* The first click has used the link up; the address that the form names is there by it. */
static enum err answer_used(struct call *call, const struct web_session *session)
{
	struct str owner;
	TRY(threepid_owner(&call->ctx, hs_of(call), STR("email"), web_page_posted(call, "address"),
		&owner));
	return str_equals(owner, session->user_id)
		? web_page_redirect(call, manage_url(call, MANAGE_EMAIL, STR(""), "added"))
		: answer_list(call, session, &bad_link);
}

static enum err add(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble in_use = {"這個地址已屬於另一個帳號。",
		"This address belongs to another account."};
	call->ctx.memo = NULL; /* from here on it happens, once */
	enum err err = threepid_add_by_link(&call->ctx, hs_of(call), session->user_id,
		&(struct email_link){call_query(call, "sid"), call_query(call, "token")});
	if (err == ERR_MISSING || err == ERR_INPUT) {
		call->ctx.fault = (struct fault){0};
		return err == ERR_INPUT ? answer_list(call, session, &in_use) : answer_used(call, session);
	}
	TRY(err);
	return web_page_redirect(call, manage_url(call, MANAGE_EMAIL, STR(""), "added"));
}

/* One that is another account's already gets a mail that says so; the page says the same to all. */
enum err manage_mail_address(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble no_address = {"無法寄信到這個地址，請看看有沒有打錯。",
		"No mail can be sent to this address; look whether it is typed right."};
	if (!accounts_take_email(hs_of(call))) {
		return answer_none(call);
	}
	enum err err = email_proof_mail_link(&call->ctx, hs_of(call), EMAIL_ADD,
		str_trim(web_page_posted(call, "new_address")),
		OAUTH_ACCOUNT_PATH "?action=" MANAGE_EMAIL "&");
	if (err == ERR_INPUT || err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
		return answer_list(call, session, &no_address);
	}
	TRY(err);
	return web_page_redirect(call, manage_url(call, MANAGE_EMAIL, STR(""), "mailed"));
}

/* --- the end of one ------------------------------------------------------------------------------------------- */

/* One that is gone already is removed, as is wanted. */
static enum err remove_address(struct call *call, const struct web_session *session)
{
	static const struct manage_trouble suspended = {
		"這個帳號目前只能閱讀，不能變更；請洽學校的管理員。",
		"This account can only read at the moment; ask your school's administrator."};
	struct principal who = {.is_suspended = session->account.is_suspended};
	enum unbind_result result = UNBIND_SUCCESS;
	if (!user_id_parse(session->user_id, &who.user)) {
		return fail_cause(&call->ctx, ERR_INTERNAL, "an account without a valid id");
	}
	enum err err = threepid_delete(&call->ctx, hs_of(call), &who,
		&(struct threepid_bind_row){
			.medium = STR("email"),
			.address = web_page_posted(call, "address"),
		},
		&result);
	if (err == ERR_DENIED) {
		call->ctx.fault = (struct fault){0};
		return answer_list(call, session, &suspended);
	}
	if (err != ERR_MISSING) {
		TRY(err);
	}
	call->ctx.fault = (struct fault){0};
	return web_page_redirect(call, manage_url(call, MANAGE_EMAIL, STR(""), "removed"));
}

/* --- which -------------------------------------------------------------------------------------------------------- */

enum err manage_show_email(struct call *call, const struct web_session *session)
{
	if (!accounts_take_email(hs_of(call))) {
		return answer_none(call);
	}
	return call_query(call, "sid").p != NULL ? answer_new(call, session)
											 : answer_list(call, session, NULL);
}

enum err manage_set_email(struct call *call, const struct web_session *session)
{
	if (!accounts_take_email(hs_of(call))) {
		return answer_none(call);
	}
	return call_query(call, "sid").p != NULL ? add(call, session) : remove_address(call, session);
}
