/*
 * Endpoints of e-mail addresses: parse, one call, reply. What may wait for the mail relay or an identity server is on
 * LANE_REMOTE.
 */
#include "homeserver/account/email/email_routes.h"

#include "homeserver/account/email/email_proof.h"
#include "homeserver/account/email/threepid.h"
#include "homeserver/account/register.h"
#include "homeserver/account/uia.h"
#include "homeserver/web_page.h"
#include "http/memo.h"

/* --- validation -------------------------------------------------------------------------------------- */

static enum err request_token(struct call *call, enum email_purpose purpose)
{
	const struct json *body;
	struct email_ask ask = {.purpose = purpose};
	struct str sid;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "client_secret", &ask.client_secret));
	TRY(body_str(call, body, "email", &ask.address));
	TRY(body_opt_str(call, body, "next_link", &ask.next_link));
	if (json_at(body, "send_attempt") == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'send_attempt' is missing");
	}
	TRY(body_opt_int(call, body, "send_attempt", 0, INT32_MAX, 0, &ask.send_attempt));
	if (purpose == EMAIL_REGISTER && !register_takes_email(hs_of(call))) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN,
			"Registration with an e-mail address is closed on this server");
	}
	TRY(email_proof_request(&call->ctx, hs_of(call), &ask, &sid));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "sid", sid);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_register_email(struct call *call)
{
	return request_token(call, EMAIL_REGISTER);
}

static enum err post_3pid_email(struct call *call)
{
	return request_token(call, EMAIL_ADD);
}

static enum err post_password_email(struct call *call)
{
	return request_token(call, EMAIL_PASSWORD);
}

/* Telephone numbers: none is ever validated here. */
static enum err post_msisdn(struct call *call)
{
	const struct json *body;
	struct str text;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "client_secret", &text));
	TRY(body_str(call, body, "country", &text));
	TRY(body_str(call, body, "phone_number", &text));
	return fail(&call->ctx, ERR_INPUT, M_THREEPID_MEDIUM_NOT_SUPPORTED,
		"This server does not take telephone numbers");
}

/* --- the page of a mail's link ----------------------------------------------------------------------------- */

static enum err answer_bad_link(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "這個連結無效", "This link is not valid");
	web_page_text(&page,
		"它可能已過期、已被新的信件取代，或沒有完整複製。請回到原來的程式再試一次。",
		"It may have expired, a newer mail may have replaced it, or it was not copied as a whole. Go back to the "
		"program that you came from and try again.");
	return web_page_reply(&page, 404);
}

static enum err get_confirm(struct call *call)
{
	struct email_validation_row row;
	struct web_page page;
	enum err err = email_proof_peek(&call->ctx, hs_of(call), call_query(call, "sid"),
		call_query(call, "token"), &row);
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	web_page_begin(&page, call, "確認電子郵件地址", "Confirm your e-mail address");
	web_page_value(&page, row.address);
	if (row.purpose == EMAIL_PASSWORD) {
		web_page_text(&page,
			"按下確認後，提出要求的人就能為您的帳號設定新密碼。如果不是您，請關閉此頁。",
			"Whoever asked for it can set a new password for your account once you confirm. If that was not "
			"you, close this page.");
	} else {
		web_page_text(&page, "如果不是您提出的，請關閉此頁。",
			"If you did not ask for this, close this page.");
	}
	web_page_form(&page, STR(""));
	web_page_button(&page, "確認", "Confirm");
	web_page_form_end(&page);
	web_page_allow_target(&page, row.next_link);
	return web_page_reply(&page, 200);
}

static enum err post_confirm(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct str sid = call_query(call, "sid");
	struct str token = call_query(call, "token");
	struct email_validation_row row;
	struct web_page page;
	enum err err = email_proof_peek(&call->ctx, hs, sid, token, &row);
	if (err == ERR_OK) {
		err = email_proof_confirm(&call->ctx, hs, sid, token);
	}
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	if (email_next_link_is_allowed(hs->settings.account.email_next_links, row.next_link)) {
		return web_page_redirect(call, row.next_link);
	}
	web_page_begin(&page, call, "已確認", "Confirmed");
	web_page_text(&page, "謝謝。請回到原來的程式繼續。",
		"Thank you. Go back to the program that you came from.");
	return web_page_reply(&page, 200);
}

/* --- contacts of an account ----------------------------------------------------------------------------------- */

static enum err get_3pids(struct call *call)
{
	struct threepid_row *rows;
	size_t count;
	TRY(threepids_list(&call->ctx, hs_of(call), principal_of(call)->user.s, &rows, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "threepids");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_str(out, "medium", rows[i].medium);
		json_out_key_str(out, "address", rows[i].address);
		json_out_key_int(out, "validated_at", rows[i].validated_at_ms);
		json_out_key_int(out, "added_at", rows[i].added_at_ms);
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_3pid_add(struct call *call)
{
	const struct json *body;
	struct email_claim claim;
	struct uia_proof proof;
	TRY(uia_recall_body(call));
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "sid", &claim.sid));
	TRY(body_str(call, body, "client_secret", &claim.client_secret));
	TRY(uia_require(call, &uia_flows_password, &proof));
	if (!proof.is_complete) {
		return ERR_OK;
	}
	TRY(threepid_add(&call->ctx, hs_of(call), principal_of(call)->user.s, &claim));
	return reply_empty(call);
}

static enum err bind(struct call *call, const struct json *body)
{
	struct bind_ask ask;
	TRY(body_str(call, body, "id_server", &ask.id_server));
	TRY(body_str(call, body, "id_access_token", &ask.id_access_token));
	TRY(body_str(call, body, "sid", &ask.sid));
	TRY(body_str(call, body, "client_secret", &ask.client_secret));
	TRY(threepid_bind(&call->ctx, hs_of(call), principal_of(call)->user.s, &ask));
	return reply_empty(call);
}

static enum err post_3pid_bind(struct call *call)
{
	const struct json *body;
	call_begin_memo(call);
	TRY(call_json(call, &body));
	return bind(call, body);
}

/* Deprecated: "an equivalent to /3pid/bind", with its parameters one level deeper. */
static enum err post_3pids(struct call *call)
{
	const struct json *body;
	const struct json *credentials;
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, "three_pid_creds", &credentials));
	if (credentials == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'three_pid_creds' is missing");
	}
	return bind(call, credentials);
}

typedef enum err removal(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct threepid_bind_row *which, enum unbind_result *out);

static enum err remove_3pid(struct call *call, removal *remove)
{
	const struct json *body;
	struct threepid_bind_row which;
	enum unbind_result result = UNBIND_NO_SUPPORT;
	call_begin_memo(call);
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "medium", &which.medium));
	TRY(body_str(call, body, "address", &which.address));
	TRY(body_opt_str(call, body, "id_server", &which.id_server));
	TRY(remove(&call->ctx, hs_of(call), principal_of(call), &which, &result));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "id_server_unbind_result", unbind_result_name(result));
	json_out_end(out);
	return ERR_OK;
}

static enum err post_3pid_delete(struct call *call)
{
	return remove_3pid(call, threepid_delete);
}

static enum err post_3pid_unbind(struct call *call)
{
	return remove_3pid(call, threepid_unbind);
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route email_routes[] = {
	{"requestTokenToRegisterEmail", "POST", CLIENT "/register/email/requestToken", AUTH_NONE,
		LANE_REMOTE, RATE_REGISTER, 0, post_register_email},
	{"requestTokenToRegisterMSISDN", "POST", CLIENT "/register/msisdn/requestToken", AUTH_NONE,
		LANE_LOCAL, RATE_REGISTER, 0, post_msisdn},
	{"requestTokenToResetPasswordEmail", "POST", CLIENT "/account/password/email/requestToken",
		AUTH_NONE, LANE_REMOTE, RATE_REGISTER, 0, post_password_email},
	{"requestTokenToResetPasswordMSISDN", "POST", CLIENT "/account/password/msisdn/requestToken",
		AUTH_NONE, LANE_LOCAL, RATE_REGISTER, 0, post_msisdn},
	{"requestTokenTo3PIDEmail", "POST", CLIENT "/account/3pid/email/requestToken", AUTH_NONE,
		LANE_REMOTE, RATE_REGISTER, 0, post_3pid_email},
	{"requestTokenTo3PIDMSISDN", "POST", CLIENT "/account/3pid/msisdn/requestToken", AUTH_NONE,
		LANE_LOCAL, RATE_REGISTER, 0, post_msisdn},
	{"emailConfirmPage", "GET", EMAIL_CONFIRM_PATH, AUTH_PAGE, LANE_LOCAL, RATE_REGISTER, 0,
		get_confirm},
	{"emailConfirm", "POST", EMAIL_CONFIRM_PATH, AUTH_PAGE, LANE_LOCAL, RATE_REGISTER, 0,
		post_confirm},
	{"getAccount3PIDs", "GET", CLIENT "/account/3pid", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_3pids},
	{"post3PIDs", "POST", CLIENT "/account/3pid", AUTH_USER, LANE_REMOTE, RATE_WRITE, 0,
		post_3pids},
	{"add3PID", "POST", CLIENT "/account/3pid/add", AUTH_USER, LANE_SLOW, RATE_LOGIN, 0,
		post_3pid_add},
	{"bind3PID", "POST", CLIENT "/account/3pid/bind", AUTH_USER, LANE_REMOTE, RATE_WRITE, 0,
		post_3pid_bind},
	{"delete3pidFromAccount", "POST", CLIENT "/account/3pid/delete", AUTH_USER, LANE_REMOTE,
		RATE_WRITE, 0, post_3pid_delete},
	{"unbind3pidFromAccount", "POST", CLIENT "/account/3pid/unbind", AUTH_USER, LANE_REMOTE,
		RATE_WRITE, 0, post_3pid_unbind},
};
const size_t email_route_count = COUNT_OF(email_routes);
