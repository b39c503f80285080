/*
 * Endpoints of device keys: parse, one call, reply.
 */
#include "e2ee/keys_routes.h"

#include "e2ee/device_keys.h"
#include "e2ee/device_lists.h"
#include "e2ee/key_claims.h"
#include "homeserver/timeline/timeline.h"
#include "homeserver/user/users.h"
#include "http/memo.h"

enum {
	KEYS_BODY_BYTES = 1 << 20,
	TIMEOUT_MS = 10 * 1000, /* the recommended default */
	TIMEOUT_MAX_MS = 60 * 1000,
};

static enum err post_upload(struct call *call)
{
	const struct json *body;
	struct keys_upload upload;
	struct str counts;
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, "device_keys", &upload.device_keys));
	TRY(body_opt_object(call, body, "one_time_keys", &upload.one_time_keys));
	TRY(body_opt_object(call, body, "fallback_keys", &upload.fallback_keys));
	TRY(device_keys_upload(&call->ctx, hs_of(call), principal_of(call), &upload, &counts));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_raw(out, "one_time_key_counts", counts);
	json_out_end(out);
	return ERR_OK;
}

/* Each server is a look-up and a request, which may go on for seconds after the answer. */
static enum err charge_servers(struct call *call, const struct json *wanted)
{
	struct e2ee_remote_ask *asks;
	size_t servers = e2ee_remote_asks(call->ctx.arena, hs_of(call), wanted, &asks);
	return call_charge(call, servers > 0 ? servers - 1 : 0);
}

/* An object that has to be there, whose servers are charged, and the time that these get. */
static enum err read_query(struct call *call, const char *key, const struct json **out,
	int64_t *out_timeout_ms)
{
	const struct json *body;
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, key, out));
	if (*out == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", key);
	}
	TRY(body_opt_int(call, body, "timeout", 0, INT64_MAX, TIMEOUT_MS, out_timeout_ms));
	*out_timeout_ms = MIN_OF(*out_timeout_ms, (int64_t)TIMEOUT_MAX_MS);
	return charge_servers(call, *out);
}

static enum err post_query(struct call *call)
{
	struct keys_ask ask = {.viewer = principal_of(call)->user.s};
	struct keys_found found;
	call_begin_memo(call);
	TRY(read_query(call, "device_keys", &ask.wanted, &ask.timeout_ms));
	TRY(device_keys_query(&call->ctx, hs_of(call), &ask, &found));
	device_keys_write(&found, call->ctx.arena, hs_of(call), reply_json(call, 200));
	return ERR_OK;
}

static enum err post_claim(struct call *call)
{
	const struct json *wanted;
	int64_t timeout_ms;
	struct keys_claimed claimed;
	call_begin_memo(call);
	TRY(read_query(call, "one_time_keys", &wanted, &timeout_ms));
	TRY(key_claims_take(&call->ctx, hs_of(call), wanted, timeout_ms, &claimed));
	key_claims_write(&claimed, reply_json(call, 200));
	return ERR_OK;
}

static enum err read_token(struct call *call, const char *name, struct token *out)
{
	struct str text = call_query(call, name);
	return text.p != NULL ? token_read(&call->ctx, hs_of(call), text, out)
						  : fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", name);
}

static enum err get_changes(struct call *call)
{
	struct homeserver *hs = hs_of(call);
	struct token from;
	struct token to;
	struct list_span span = {.user_id = principal_of(call)->user.s};
	struct list_news news;
	struct user_room *rooms;
	TRY(read_token(call, "from", &from));
	TRY(read_token(call, "to", &to));
	TRY(users_get(&call->ctx, hs, span.user_id, &span.user));
	span.since = from.position;
	span.up_to = writer_position(hs->writer);
	user_rooms_since(span.user, call->ctx.arena, (struct rooms_since){span.since, INT64_MAX},
		&rooms, &span.room_n);
	span.rooms = rooms;
	TRY(device_lists_news(&call->ctx, hs, &span, &news));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_strs(out, "changed", news.changed, news.changed_n);
	json_out_key_strs(out, "left", news.left, news.left_n);
	json_out_end(out);
	return ERR_OK;
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route keys_routes[] = {
	{"uploadKeys", "POST", CLIENT "/keys/upload", AUTH_GUEST, LANE_LOCAL, RATE_WRITE,
		KEYS_BODY_BYTES, post_upload},
	{"queryKeys", "POST", CLIENT "/keys/query", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, post_query},
	{"claimKeys", "POST", CLIENT "/keys/claim", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, post_claim},
	{"getKeysChanges", "GET", CLIENT "/keys/changes", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_changes},
};
const size_t keys_route_count = COUNT_OF(keys_routes);
