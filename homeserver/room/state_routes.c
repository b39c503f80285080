/*
 * Reading and writing single state events (all of it: timeline/timeline_routes.c). The path of an empty state key is valid with and without its trailing slash.
 */
#include "homeserver/room/state_routes.h"

#include "homeserver/room/delayed_routes.h"
#include "homeserver/room/room_state.h"
#include "http/handover.h"
#include "http/memo.h"

static enum err read_format(struct call *call, bool *out_whole_event)
{
	struct str format = call_query(call, "format");
	*out_whole_event = str_equals(format, STR("event"));
	if (format.p != NULL && !*out_whole_event && !str_equals(format, STR("content"))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "format is content or event");
	}
	return ERR_OK;
}

static enum err get_state_of(struct call *call, struct str state_key)
{
	bool whole_event;
	struct stored_event *event;
	TRY(read_format(call, &whole_event));
	TRY(room_state_get(&call->ctx, hs_of(call), principal_of(call), call_path(call, "roomId"),
		call_path(call, "eventType"), state_key, &event));
	struct json_out *out = reply_json(call, 200);
	if (!whole_event) {
		json_out_value(out, event->event->content);
		return ERR_OK;
	}
	buf_add_byte(out->buf, '{');
	buf_add(out->buf, event->client_members);
	buf_add_lit(out->buf, ",\"room_id\":");
	json_escape(out->buf, event->event->room_id.s);
	buf_add_byte(out->buf, '}');
	return ERR_OK;
}

static enum err get_state_with_key(struct call *call)
{
	return get_state_of(call, call_path(call, "stateKey"));
}

static enum err get_state_without_key(struct call *call)
{
	return get_state_of(call, STR(""));
}

static enum err put_state_of(struct call *call, struct str state_key)
{
	call_begin_memo(call);
	call_begin_handover(call);
	struct state_wish wish = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
		.type = call_path(call, "eventType"),
		.state_key = state_key,
	};
	struct str event_id;
	int64_t delay_ms;
	TRY(event_stamp_read(call, &wish.stamp));
	TRY(delay_read(call, &delay_ms));
	TRY(call_json(call, &wish.content));
	if (delay_ms > 0) {
		return delay_reply(call,
			&(struct delayed_wish){.who = wish.who,
				.room_id = wish.room_id,
				.type = wish.type,
				.state_key = state_key,
				.content = wish.content,
				.stamp = wish.stamp,
				.delay_ms = delay_ms});
	}
	TRY(room_state_put(&call->ctx, hs_of(call), &wish, &event_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "event_id", event_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err put_state_with_key(struct call *call)
{
	return put_state_of(call, call_path(call, "stateKey"));
}

static enum err put_state_without_key(struct call *call)
{
	return put_state_of(call, STR(""));
}

#define STATE_PATH "/_matrix/client/(r0|v3)/rooms/{roomId}/state"

const struct route state_routes[] = {
	{"getRoomStateWithKey", "GET", STATE_PATH "/{eventType}/{stateKey}", AUTH_GUEST, LANE_LOCAL,
		RATE_READ, 0, get_state_with_key},
	{"getRoomStateWithKey", "GET", STATE_PATH "/{eventType}/", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0,
		get_state_without_key},
	{"getRoomStateWithKey", "GET", STATE_PATH "/{eventType}", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0,
		get_state_without_key},
	{"setRoomStateWithKey", "PUT", STATE_PATH "/{eventType}/{stateKey}", AUTH_GUEST_ACTS,
		LANE_LOCAL, RATE_MESSAGE, 0, put_state_with_key},
	{"setRoomStateWithKey", "PUT", STATE_PATH "/{eventType}/", AUTH_GUEST_ACTS, LANE_LOCAL,
		RATE_MESSAGE, 0, put_state_without_key},
	{"setRoomStateWithKey", "PUT", STATE_PATH "/{eventType}", AUTH_GUEST_ACTS, LANE_LOCAL,
		RATE_MESSAGE, 0, put_state_without_key},
};
const size_t state_route_count = COUNT_OF(state_routes);
