/*
 * Backwards through the events of all joined rooms at once, in the order of the stream. A room is opened when its first event is
 * met, and kept for the page.
 */
#include "homeserver/pusher/notifications.h"

#include "base/vec.h"
#include "homeserver/push/push.h"
#include "homeserver/timeline/timeline.h"
#include "storage/pusher.h"

enum { SCAN_EVENTS = 500, SCANS = 4 };

struct open_room {
	struct reading reading;
	struct push_scene scene;
};

struct look_back {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct principal *who;
	const struct notification_query *query;
	struct json_out *out;
	struct push_rules rules;
	VEC(struct open_room *) rooms;
	size_t shown;
	int64_t before; /* everything from here on was looked at */
	bool is_end;    /* there is nothing before it */
};

static enum err open_room(struct look_back *back, int64_t room_nid_wanted, struct open_room **out)
{
	for (size_t i = 0; i < back->rooms.n; i++) {
		if (room_nid(back->rooms.p[i]->reading.room) == room_nid_wanted) {
			*out = back->rooms.p[i];
			return ERR_OK;
		}
	}
	struct room *room;
	struct open_room *opened = ARENA_NEW(back->ctx->arena, struct open_room);
	TRY(rooms_get_nid(back->ctx, back->hs, room_nid_wanted, &room));
	TRY(reading_begin(back->ctx, back->hs, back->who, room, &opened->reading));
	TRY(push_scene_init(back->ctx, back->hs, room, &opened->scene));
	VEC_PUSH(back->ctx->arena, &back->rooms, opened);
	*out = opened;
	return ERR_OK;
}

static enum err write_notification(struct look_back *back, struct open_room *room,
	const struct notification_row *row, struct stored_event *event,
	const struct push_result *result)
{
	struct event_batch *batch;
	struct ctx *ctx = back->ctx;
	TRY(event_view_prepare(ctx, back->hs, room->reading.room, &room->reading.view, &event, 1,
		&batch));
	struct json_out *out = back->out;
	json_out_object(out);
	json_out_key_raw(out, "actions", push_result_actions(ctx->arena, result));
	json_out_key(out, STR("event"));
	event_view_write(batch, 0, out);
	json_out_key_bool(out, "read", row->is_read);
	json_out_key_str(out, "room_id", room_id_of(room->reading.room).s);
	json_out_key_int(out, "ts", event->event->origin_server_ts);
	json_out_end(out);
	back->shown++;
	return ERR_OK;
}

static enum err look_at(struct look_back *back, const struct notification_row *row)
{
	struct open_room *room;
	struct stored_event *event;
	struct push_result result;
	TRY(open_room(back, row->room_nid, &room));
	TRY(room_event_at(back->ctx, back->hs, room->reading.room, row->position, &event));
	TRY(push_judge(back->ctx, back->hs, &room->scene, &back->rules, back->who->user, event,
		&result));
	if (!result.notify || (back->query->only_highlights && !result.highlight) ||
		event->redacted_by != 0 || reading_ignores(&room->reading, event)) {
		return ERR_OK;
	}
	TRY(room_viewer_cover(back->ctx, back->hs, room->reading.viewer, &event, 1));
	return room_viewer_sees(room->reading.viewer, event)
		? write_notification(back, room, row, event, &result)
		: ERR_OK;
}

static enum err scan(struct look_back *back)
{
	struct notification_row *rows;
	size_t count;
	TRY(store_notification_scan(back->ctx, back->hs->db, back->who->user.s, back->before,
		SCAN_EVENTS, &rows, &count));
	size_t i = 0;
	for (; i < count && back->shown < back->query->limit; i++) {
		enum err err = look_at(back, &rows[i]);
		if (err != ERR_OK && err != ERR_MISSING) {
			return err;
		}
		back->before = rows[i].position;
	}
	back->is_end = i == count && count < SCAN_EVENTS;
	return ERR_OK;
}

enum err notifications_write(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct notification_query *query, struct json_out *out)
{
	struct look_back back =
		{.ctx = ctx, .hs = hs, .who = who, .query = query, .out = out, .before = query->before};
	TRY(push_rules_get(ctx, hs, who->user, &back.rules));
	json_out_object(out);
	json_out_key_array(out, "notifications");
	for (int i = 0; i < SCANS && !back.is_end && back.shown < query->limit; i++) {
		TRY(scan(&back));
	}
	json_out_end(out);
	if (!back.is_end) {
		json_out_key_str(out, "next_token", str_printf(ctx->arena, "%lld", (long long)back.before));
	}
	json_out_end(out);
	return ERR_OK;
}
