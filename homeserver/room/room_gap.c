/*
 * Where the timeline does not go on although the room does. The newest gap is in memory: who reads what is new never asks for others.
 */
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "storage/graph.h"

enum {
	FIRST_PAUSE_MS = 60 * 1000, /* of a gap for which others have nothing */
	LONGEST_PAUSE_MS = 24 * 3600 * 1000,
	UNANSWERED_FIRST_MS = 5 * 1000,
	UNANSWERED_LONGEST_MS = 10 * 60 * 1000,
};

/* Position of the newest gap; STATE_SINCE_EVER: there is none; INT64_MAX: not known. */
static int64_t newest_gap(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->content != NULL ? room->content->graph.newest_gap : INT64_MAX;
}

enum err room_gap_find(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t after,
	int64_t up_to, struct room_gap *out)
{
	*out = (struct room_gap){0};
	if (newest_gap(room) <= after) {
		return ERR_OK;
	}
	struct gap_row row;
	TRY(store_gap_newest(ctx, hs->db, room->nid, after, up_to, clock_wall_ms(&hs->clock), &row));
	struct event_id *prevs = ARENA_NEW_ARRAY(ctx->arena, struct event_id, row.prev_count + 1);
	for (size_t i = 0; i < row.prev_count; i++) {
		prevs[i].s = row.prev_ids[i];
	}
	*out = (struct room_gap){
		.below = row.position,
		.prevs = prevs,
		.prev_count = row.prev_count,
	};
	return ERR_OK;
}

enum err room_gap_bound(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t after,
	int64_t up_to, int64_t *out)
{
	int64_t newest = newest_gap(room);
	*out = after;
	if (newest <= after) {
		return ERR_OK;
	}
	if (newest > up_to) {
		struct gap_row row;
		TRY(store_gap_newest(ctx, hs->db, room->nid, after, up_to, INT64_MAX, &row));
		if (row.prev_count == 0) {
			return ERR_OK;
		}
		newest = row.position;
	}
	*out = newest - 1;
	return ERR_OK;
}

enum err room_gap_bound_above(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, int64_t *out)
{
	int64_t oldest = 0;
	if (newest_gap(room) > after) {
		TRY(store_gap_oldest(ctx, hs->db, room->nid, after, up_to, &oldest));
	}
	*out = oldest != 0 ? oldest - 1 : up_to;
	return ERR_OK;
}

bool room_has_gaps(struct room *room)
{
	return newest_gap(room) != STATE_SINCE_EVER;
}

enum err room_gap_over(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t depth,
	int64_t *out)
{
	*out = 0;
	return room_has_gaps(room) ? store_gap_over(ctx, hs->db, room->nid, depth, out) : ERR_OK;
}

enum err room_gap_in_time(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t from_ms, int64_t to_ms, int64_t *out)
{
	*out = 0;
	return from_ms <= to_ms && room_has_gaps(room)
		? store_gap_in_time(ctx, hs->db, room->nid, from_ms, to_ms, out)
		: ERR_OK;
}

void room_gap_postpone(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_gap *gap, bool is_unanswered)
{
	/* When it fails, somebody asks once more. */
	(void)!store_gap_postpone(ctx, hs->db, room->nid, gap->below, clock_wall_ms(&hs->clock),
		is_unanswered ? UNANSWERED_FIRST_MS : FIRST_PAUSE_MS,
		is_unanswered ? UNANSWERED_LONGEST_MS : LONGEST_PAUSE_MS);
}

bool room_begins_here(struct room *room)
{
	static const char create_key[] = "m.room.create\0"; /* type, NUL, empty state key */
	struct str key = str_from(create_key, sizeof(create_key) - 1);
	LOCK_SCOPE(&room->lock);
	const struct state_slot *create =
		room->content != NULL ? map_get(&room->content->state, key) : NULL;
	return create != NULL && create->from_position > 0;
}
