/*
 * Every event of the timeline is shown above all that it stands on. As long as events come after what they stand on their positions
 * do that. It ends when a gap is closed: what was missing has come with a position above the event that stands on it, and with it perhaps
 * a branch of which nobody could tell until then that it belongs there. The branch gets places in the middle of what is free below the
 * gap's event: above it others may be missing at the same gap, and below it more of its own.
 *
 * Positions stay what they are to all who are told of events, so nothing else has to know.
 */
#include "homeserver/room/room_place.h"

#include "homeserver/room/room_known.h"
#include "storage/place.h"

#include <stdlib.h>

enum { MOVED_MAX = 5000 }; /* events of one branch: half a megabyte of graph, some 50 ms */

/* Newest position that is shown elsewhere; STATE_SINCE_EVER: there is none. */
static int64_t newest_placed(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->content != NULL ? room->content->graph.newest_placed : INT64_MAX;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum err room_timeline_shown(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t after, int64_t up_to, bool backwards, size_t limit, struct timeline *out)
{
	if (up_to <= after || newest_placed(room) <= after) {
		return room_timeline(ctx, hs, room, after, up_to, backwards, limit, out);
	}
	struct event_row *rows;
	int64_t *places;
	size_t count;
	int64_t redactions = room_redactions(room);
	const struct event_span span = {
		.room_nid = room->nid,
		.after = after,
		.up_to = up_to,
		.is_backwards = backwards,
		.limit = (int64_t)limit + 1,
	};
	TRY(store_events_shown(ctx, hs->db, &span, &rows, &places, &count));
	*out = (struct timeline){
		.places = places,
		.n = MIN_OF(count, limit),
		.has_more = count > limit,
	};
	out->events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, out->n);
	for (size_t i = 0; i < out->n; i++) {
		out->events[i] = room_take_row(ctx, hs, room, &rows[i], redactions);
	}
	return ERR_OK;
}

enum err room_places_of(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, int64_t *out)
{
	int64_t newest = newest_placed(room);
	bool may_differ = false;
	for (size_t i = 0; i < count; i++) {
		out[i] = positions[i];
		may_differ = may_differ || positions[i] <= newest;
	}
	if (newest == STATE_SINCE_EVER || !may_differ) {
		return ERR_OK;
	}
	struct event_place *places;
	size_t place_n;
	TRY(store_places_of(ctx, hs->db, room->nid, positions, count, &places, &place_n));
	for (size_t i = 0; i < place_n; i++) {
		for (size_t k = 0; k < count; k++) {
			out[k] = positions[k] == places[i].position ? places[i].place : out[k];
		}
	}
	return ERR_OK;
}

enum err room_event_at_place(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t place, struct stored_event **out)
{
	struct timeline timeline;
	TRY(room_timeline_shown(ctx, hs, room, place - 1, place, true, 1, &timeline));
	if (timeline.n == 0) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
	}
	*out = timeline.events[0];
	return ERR_OK;
}

/* --- finding places ----------------------------------------------------------------------------------------------- */

enum err room_free_places(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t below,
	struct free_places *out)
{
	struct timeline shown;
	struct timeline came;
	int64_t under = ROOM_OUTLIERS;
	TRY(room_timeline_shown(ctx, hs, room, ROOM_OUTLIERS, below - 1, true, 1, &shown));
	TRY(room_timeline(ctx, hs, room, ROOM_OUTLIERS, below - 1, true, 1, &came));
	if (shown.n > 0) {
		under = timeline_place(&shown, 0);
	}
	if (came.n > 0) {
		under = MAX_OF(under, came.events[0]->position);
	}
	/* Above zero nothing was left free before this server came. */
	*out = (struct free_places){under + 1, under < 0 ? MIN_OF(below, 0) - 1 : below - 1};
	return ERR_OK;
}

/* --- moving ------------------------------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
	int64_t left = ((const struct event_place *)a)->place;
	int64_t right = ((const struct event_place *)b)->place;
	return left < right ? -1 : left > right;
}

/* All that is known of what the event stands on, down to the first that is below. */
static enum err find_behind(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct late_event *late, struct event_place **out, size_t *out_count)
{
	const struct event *event = late->event;
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, event->prev_count + 1);
	size_t count = 0;
	for (size_t i = 0; i < event->prev_count; i++) {
		if (!str_has_nul(event->prev_events[i].s)) {
			ids[count++] = event->prev_events[i].s;
		}
	}
	const struct places_behind ask = {
		.room_nid = room->nid,
		.event_ids = ids,
		.count = count,
		.place = late->below,
		.limit = MOVED_MAX + 1,
	};
	return store_places_behind(ctx, hs->db, &ask, out, out_count);
}

enum err room_order(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct late_event *late, struct write *write, int64_t *out_place)
{
	struct event_place *found;
	size_t count;
	size_t moved = 0;
	*out_place = 0;
	TRY(find_behind(ctx, hs, room, late, &found, &count));
	for (size_t i = 0; i < count; i++) {
		if (found[i].place > late->below) {
			found[moved++] = found[i];
		}
	}
	int64_t needed = (int64_t)moved + (late->moves_itself ? 1 : 0);
	if (needed == 0 || count > MOVED_MAX) {
		return ERR_OK;
	}
	if (moved > 1) {
		qsort(found, moved, sizeof(*found), compare_places);
	}
	struct free_places to;
	TRY(room_free_places(ctx, hs, room, late->below, &to));
	to.first = MAX_OF(to.first, to.last - INT64_C(2) * ROOM_GAP_POSITIONS);
	int64_t room_left = to.last - to.first + 1 - needed;
	if (room_left < 0) {
		return ERR_OK;
	}
	int64_t place = to.first + room_left / 2;
	for (size_t i = 0; i < moved; i++) {
		store_place_set(write, room->nid, db_bigint(found[i].position), place);
		store_gap_move(write, room->nid, found[i].place, place);
		place++;
	}
	*out_place = late->moves_itself ? place : 0;
	return ERR_OK;
}
