/*
 * A room to which another process has added messages: its state is what it was, so only the newest events are read, and what the next one is
 * built on. The room's row is read first: the events are at least those that it counts. What comes meanwhile leaves the room behind again: who
 * was here first has not been promised it.
 */
#include "homeserver/room/room.h"

#include "base/metrics.h"
#include "storage/event.h"
#include "storage/room.h"

static struct metric followed = METRIC_COUNTER("belfry_rooms_followed_total",
	"Times when a room was brought up to date by the events that another process added");

/*
 * From where on events are lacking, and how many times others told of some. Until these are there the room stays behind, so that nobody takes its
 * ring for whole. @return false when the content cannot be followed
 */
static bool begin(struct room *room, int64_t *out_after, int64_t *out_told)
{
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	if (content == NULL || room->is_stale || !room_is_behind_locked(room)) {
		return false;
	}
	*out_told = room->messages_told;
	*out_after = content->recent_n > 0
		? room_recent_at_locked(content, content->recent_n - 1)->position
		: content->recent_after;
	return true;
}

/* More than the ring takes, or state that did not become the room's state, is for a load. */
static bool can_follow(const struct room *room, struct stored_event *const *events, size_t count)
{
	bool can = count < ROOM_RECENT && room->content != NULL && !room->is_stale;
	for (size_t i = 0; can && i < count; i++) {
		can = !events[i]->event->is_state;
	}
	return can;
}

static bool push_all(struct room *room, struct stored_event *const *events, size_t count,
	const struct room_row *row, int64_t messages_told)
{
	LOCK_SCOPE(&room->lock);
	if (!can_follow(room, events, count)) {
		room->is_stale = true;
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		stored_event_ref(events[i]);
		room_push_recent_locked(room->content, events[i]);
	}
	room_head_set(room, row);
	room->messages_read = messages_told;
	return true;
}

enum err room_follow(struct ctx *ctx, struct homeserver *hs, struct room *room, bool *out_done)
{
	int64_t after;
	int64_t told;
	struct room_row row;
	struct event_row *rows;
	size_t count;
	*out_done = false;
	if (!begin(room, &after, &told)) {
		return ERR_OK;
	}
	TRY(store_room_find_nid(ctx, hs->db, room->nid, &row));
	const struct event_span span = {.room_nid = room->nid,
		.after = after,
		.up_to = INT64_MAX,
		.limit = ROOM_RECENT};
	TRY(store_events_between(ctx, hs->db, &span, &rows, &count));
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	for (size_t i = 0; i < count; i++) {
		events[i] = stored_event_create(room->version, room->id.s, &rows[i]);
		stored_event_until_reset(ctx->arena, events[i]);
	}
	*out_done = push_all(room, events, count, &row, told);
	metric_add(&followed, *out_done ? 1 : 0);
	return ERR_OK;
}
