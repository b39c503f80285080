/*
 * Pushers.
 */
#include "homeserver/pusher/pusher_routes.h"

#include "homeserver/pusher/notifications.h"
#include "homeserver/pusher/pushers.h"
#include "homeserver/web_page.h"

static void write_pusher(struct json_out *out, const struct pusher_row *row)
{
	json_out_object(out);
	json_out_key_str(out, "app_display_name", row->app_display_name);
	json_out_key_str(out, "app_id", row->app_id);
	json_out_key_raw(out, "data", row->data);
	json_out_key_str(out, "device_display_name", row->device_display_name);
	json_out_key_str(out, "kind", row->kind);
	json_out_key_str(out, "lang", row->lang);
	if (row->profile_tag.p != NULL) {
		json_out_key_str(out, "profile_tag", row->profile_tag);
	}
	json_out_key_str(out, "pushkey", row->pushkey);
	json_out_end(out);
}

static enum err get_pushers(struct call *call)
{
	struct pusher_row *rows;
	size_t count;
	TRY(pusher_list(&call->ctx, hs_of(call), principal_of(call)->user.s, &rows, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "pushers");
	for (size_t i = 0; i < count; i++) {
		write_pusher(out, &rows[i]);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err read_pusher(struct call *call, const struct json *body, struct pusher_row *row,
	const struct json **out_data)
{
	TRY(body_str(call, body, "kind", &row->kind));
	TRY(body_str(call, body, "app_display_name", &row->app_display_name));
	TRY(body_str(call, body, "device_display_name", &row->device_display_name));
	TRY(body_opt_str(call, body, "profile_tag", &row->profile_tag));
	TRY(body_str(call, body, "lang", &row->lang));
	TRY(body_opt_object(call, body, "data", out_data));
	if (*out_data == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "data is missing");
	}
	return ERR_OK;
}

static enum err post_pushers_set(struct call *call)
{
	const struct json *body;
	const struct json *data;
	struct pusher_row row = {0};
	bool may_append;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "app_id", &row.app_id));
	TRY(body_str(call, body, "pushkey", &row.pushkey));
	if (json_is(json_at(body, "kind"), JSON_NULL)) {
		TRY(pusher_delete(&call->ctx, hs_of(call), principal_of(call), row.app_id, row.pushkey));
		return reply_empty(call);
	}
	TRY(read_pusher(call, body, &row, &data));
	TRY(body_opt_bool(call, body, "append", false, &may_append));
	TRY(pusher_set(&call->ctx, hs_of(call), principal_of(call), &row, data, may_append));
	return reply_empty(call);
}

static enum err get_notifications(struct call *call)
{
	struct notification_query query = {.before = POSITION_NOW};
	struct str from = call_query(call, "from");
	struct str only = call_query(call, "only");
	int64_t limit;
	TRY(call_query_int(call, "limit", 1, INT32_MAX, NOTIFICATIONS_DEFAULT, &limit));
	query.limit = (size_t)MIN_OF(limit, (int64_t)NOTIFICATIONS_MAX);
	if (from.p != NULL && !str_to_int(from, 0, INT64_MAX, &query.before)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "from is no token of this server");
	}
	query.only_highlights = only.p != NULL && str_equals(only, STR("highlight"));
	return notifications_write(&call->ctx, hs_of(call), principal_of(call), &query,
		reply_json(call, 200));
}

/* --- the link in mails ------------------------------------------------------------------------------------ */

static enum err answer_bad_link(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "這個連結無效", "This link is not valid");
	web_page_text(&page, "這些信可能已經停止，或連結沒有完整複製。",
		"Perhaps these mails have ended already, or the link was not copied as a whole.");
	return web_page_reply(&page, 404);
}

/* 0: none. */
static int64_t pusher_of_link(const struct call *call)
{
	int64_t pusher_nid;
	return str_to_int(call_query(call, "pusher"), 1, INT64_MAX, &pusher_nid) ? pusher_nid : 0;
}

/* Programs follow links that nobody asked them to: the page's button, or the mail program's, unsubscribes. */
static enum err get_unsubscribe(struct call *call)
{
	struct web_page page;
	struct str address;
	enum err err = pusher_unsubscribe_peek(&call->ctx, hs_of(call), pusher_of_link(call),
		call_query(call, "token"), &address);
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	web_page_begin(&page, call, "停止寄送未讀訊息通知", "Stop mails of missed messages");
	web_page_value(&page, address);
	web_page_form(&page, STR(""));
	web_page_button(&page, "停止寄送", "Stop");
	web_page_form_end(&page);
	return web_page_reply(&page, 200);
}

static enum err post_unsubscribe(struct call *call)
{
	struct web_page page;
	enum err err = pusher_unsubscribe(&call->ctx, hs_of(call), pusher_of_link(call),
		call_query(call, "token"));
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	web_page_begin(&page, call, "已停止", "Stopped");
	web_page_text(&page, "不會再寄這些信給您。您可以在 Matrix 程式的設定裡重新開啟。",
		"You will get no more of these mails. The settings of your Matrix program can turn them on again.");
	return web_page_reply(&page, 200);
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route pusher_routes[] = {
	{"getPushers", "GET", CLIENT "/pushers", AUTH_USER, LANE_LOCAL, RATE_READ, 0, get_pushers},
	{"postPusher", "POST", CLIENT "/pushers/set", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0,
		post_pushers_set},
	{"getNotifications", "GET", CLIENT "/notifications", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_notifications},
	{"pusherUnsubscribePage", "GET", PUSHER_UNSUBSCRIBE_PATH, AUTH_PAGE, LANE_LOCAL, RATE_READ, 0,
		get_unsubscribe},
	{"pusherUnsubscribe", "POST", PUSHER_UNSUBSCRIBE_PATH, AUTH_PAGE, LANE_LOCAL, RATE_WRITE, 0,
		post_unsubscribe},
};
const size_t pusher_route_count = COUNT_OF(pusher_routes);
