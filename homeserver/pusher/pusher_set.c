/*
 * What users set. A pusher ends with the device that made it, one of kind email with the address: the database sees to that.
 */
#include "homeserver/pusher/pushers_inner.h"

#include "http/client.h"

enum {
	MAX_PUSHERS = 100, /* of one user */
	MAX_APP_ID_CHARS = 64,
	MAX_PUSHKEY_BYTES = 512,
	MAX_TEXT_BYTES = 255,
	MAX_DATA_BYTES = 8192,
	UNSUBSCRIBE_TOKEN_CHARS = 32,
};

static enum err check_text(struct ctx *ctx, const char *name, struct str text, size_t max_bytes)
{
	if (text.n > max_bytes) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "%s is too long", name);
	}
	return ERR_OK;
}

/* Plain http only to addresses that the configuration lets be reached: gateways on the school's own machines. */
static bool is_gateway_url(const struct homeserver *hs, struct str url)
{
	bool is_plain = str_starts_with(url, STR("http://"));
	if (!is_plain && !str_starts_with(url, STR("https://"))) {
		return false;
	}
	struct str rest = str_slice(url, is_plain ? 7 : 8, url.n);
	size_t slash = str_find_byte(rest, '/');
	if (slash == SIZE_MAX || slash == 0 || str_find_byte(rest, '#') != SIZE_MAX) {
		return false;
	}
	struct str host = str_slice(rest, 0, slash);
	struct str path;
	struct str query;
	(void)str_split(str_slice(rest, slash, rest.n), '?', &path, &query);
	size_t colon = str_find_last_byte(host, ':');
	bool has_port = colon != SIZE_MAX && !str_ends_with(host, STR("]"));
	return str_equals(path, STR("/_matrix/push/v1/notify")) &&
		str_find_byte(host, '@') == SIZE_MAX &&
		(!is_plain ||
			http_client_allows(hs->http_client, has_port ? str_slice(host, 0, colon) : host));
}

static enum err check_http(struct ctx *ctx, const struct homeserver *hs, const struct json *data)
{
	const struct json *url = json_at(data, "url");
	if (url == NULL) {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "data needs a url");
	}
	if (url->type != JSON_STRING || !is_gateway_url(hs, json_text(url))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"data.url must be an https URL with the path /_matrix/push/v1/notify");
	}
	return ERR_OK;
}

/* Mails go to addresses only that the user has proven. */
static enum err check_email(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct pusher_row *row)
{
	bool owns;
	if (!push_mail_is_on(hs)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "This server sends no mails");
	}
	TRY(push_mail_check_owner(ctx, hs, row->pushkey, who->user.s, &owns));
	return owns ? ERR_OK
				: fail_status(ctx, ERR_INPUT, 400, M_THREEPID_NOT_FOUND,
					  "Your account has no such e-mail address");
}

static enum err check(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct pusher_row *row, const struct json *data)
{
	TRY(check_text(ctx, "app_id", row->app_id, MAX_APP_ID_CHARS));
	TRY(check_text(ctx, "pushkey", row->pushkey, MAX_PUSHKEY_BYTES));
	TRY(check_text(ctx, "app_display_name", row->app_display_name, MAX_TEXT_BYTES));
	TRY(check_text(ctx, "device_display_name", row->device_display_name, MAX_TEXT_BYTES));
	TRY(check_text(ctx, "profile_tag", row->profile_tag, MAX_TEXT_BYTES));
	TRY(check_text(ctx, "lang", row->lang, MAX_TEXT_BYTES));
	TRY(check_text(ctx, "data", json_raw(data), MAX_DATA_BYTES));
	if (str_equals(row->kind, STR("http"))) {
		return check_http(ctx, hs, data);
	}
	if (str_equals(row->kind, STR("email"))) {
		return check_email(ctx, hs, who, row);
	}
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "There is no such kind of pusher here");
}

enum err pusher_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct pusher_row *row, const struct json *data, bool may_append)
{
	TRY(check(ctx, hs, who, row, data));
	row->user_id = who->user.s;
	if (str_equals(row->kind, STR("email"))) {
		row->unsubscribe_token = rng_text(&hs->rng, ctx->arena, UNSUBSCRIBE_TOKEN_CHARS);
	} else {
		row->device_id = who->device_id;
	}
	row->data = json_raw(data);
	row->set_at_ms = clock_wall_ms(&hs->clock);
	enum err err = store_pusher_set(ctx, hs->db, row, MAX_PUSHERS);
	if (err == ERR_LIMIT) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You have %d pushers; delete some first",
			MAX_PUSHERS);
	}
	if (err == ERR_MISSING) { /* its device */
		return fail_status(ctx, ERR_DENIED, 401, M_UNKNOWN_TOKEN,
			"This session has ended; log in again");
	}
	TRY(err);
	return may_append
		? ERR_OK
		: store_pusher_delete_others(ctx, hs->db, row->app_id, row->pushkey, who->user.s);
}

enum err pusher_delete(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str app_id, struct str pushkey)
{
	return store_pusher_delete(ctx, hs->db, app_id, pushkey, who->user.s);
}

enum err pusher_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct pusher_row **out, size_t *out_count)
{
	return store_pusher_list(ctx, hs->db, user_id, out, out_count);
}

enum err pusher_unsubscribe_peek(struct ctx *ctx, struct homeserver *hs, int64_t pusher_nid,
	struct str token, struct str *out_address)
{
	return store_pusher_unsubscribe_peek(ctx, hs->db, pusher_nid, token, out_address);
}

enum err pusher_unsubscribe(struct ctx *ctx, struct homeserver *hs, int64_t pusher_nid,
	struct str token)
{
	return store_pusher_unsubscribe(ctx, hs->db, pusher_nid, token);
}
