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
#include "storage/graph.h"
#include "storage/place.h"

#include <stdlib.h>

enum {
	MOVED_MAX = 5000, /* events of one branch: half a megabyte of graph, some 50 ms */
	PASSED_FEW = 4,   /* events that give way to it: mostly none has to */
	PASSED_MAX = 250,
};

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
	struct event_span span = {
		.room_nid = room->nid,
		.after = after,
		.up_to = up_to,
		.is_backwards = backwards,
		.limit = (int64_t)limit,
		.asks_children = true,
	};
	if (up_to <= after || newest_placed(room) <= after) {
		return room_read_timeline(ctx, hs, room, &span, out);
	}
	struct event_row *rows;
	int64_t *places;
	size_t count;
	int64_t redactions = room_redactions(room);
	span.limit++;
	TRY(store_events_shown(ctx, hs->db, &span, &rows, &places, &count));
	const struct timeline_rows read = {.p = rows, .n = count, .redactions = redactions};
	room_take_rows(ctx, hs, room, &read, limit, out);
	out->places = places;
	return ERR_OK;
}

enum err room_timeline_around(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct stored_event *event, int64_t up_to, size_t before, size_t after,
	struct timeline_around *out)
{
	*out = (struct timeline_around){0};
	/* Of what is in the ring the events behind it are there, too. */
	if (room_has_gaps(room) || newest_placed(room) != STATE_SINCE_EVER ||
		room_recent_find(ctx, room, event->position, str_from(NULL, 0)) != NULL) {
		return ERR_OK;
	}
	struct event_row *rows;
	size_t count;
	size_t at = 0;
	int64_t redactions = room_redactions(room);
	const struct event_surroundings ask = {
		.room_nid = room->nid,
		.position = event->position,
		.up_to = up_to,
		.before = (int64_t)before + 1,
		.after = (int64_t)after + 1,
	};
	TRY(store_events_around(ctx, hs->db, &ask, &rows, &count));
	while (at < count && rows[at].position < event->position) {
		at++;
	}
	if (at == count || rows[at].position != event->position) {
		return ERR_OK; /* it has moved meanwhile */
	}
	const struct timeline_rows older = {rows, at, redactions, .is_reversed = true};
	const struct timeline_rows newer = {rows + at + 1, count - at - 1, redactions, false};
	room_take_rows(ctx, hs, room, &older, before, &out->before);
	room_take_rows(ctx, hs, room, &newer, after, &out->after);
	out->is_childless = rows[at].is_childless;
	out->is_read = true;
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

/* Down from a place: the numbers that events and places have. */
struct descent {
	struct timeline shown;
	struct timeline came;
	size_t at_shown;
	size_t at_came;
};

static enum err descend(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t below,
	size_t limit, struct descent *out)
{
	*out = (struct descent){0};
	TRY(room_timeline_shown(ctx, hs, room, ROOM_OUTLIERS, below - 1, true, limit, &out->shown));
	return room_timeline(ctx, hs, room, ROOM_OUTLIERS, below - 1, true, limit, &out->came);
}

static int64_t next_place(const struct descent *descent)
{
	return descent->at_shown < descent->shown.n ? timeline_place(&descent->shown, descent->at_shown)
												: ROOM_OUTLIERS;
}

static int64_t next_position(const struct descent *descent)
{
	return descent->at_came < descent->came.n ? descent->came.events[descent->at_came]->position
											  : ROOM_OUTLIERS;
}

/* The next that is taken, ROOM_OUTLIERS after the last. @return false when that was not read so far */
static bool next_taken(const struct descent *descent, int64_t *out)
{
	*out = MAX_OF(next_place(descent), next_position(descent));
	return (descent->at_shown < descent->shown.n || !descent->shown.has_more) &&
		(descent->at_came < descent->came.n || !descent->came.has_more);
}

static void pass(struct descent *descent, int64_t taken)
{
	descent->at_shown += next_place(descent) == taken;
	descent->at_came += next_position(descent) == taken;
}

/* Above zero nothing was left free before this server came. */
static struct free_places free_between(int64_t under, int64_t ceiling)
{
	return (struct free_places){under + 1, under < 0 ? MIN_OF(ceiling, 0) - 1 : ceiling - 1};
}

enum err room_free_places(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t below,
	struct free_places *out)
{
	int64_t ceiling = below;
	for (size_t limit = PASSED_FEW;; limit = PASSED_MAX) {
		struct descent descent;
		int64_t under;
		TRY(descend(ctx, hs, room, ceiling, limit, &descent));
		while (next_taken(&descent, &under)) {
			*out = free_between(under, ceiling);
			if (out->first <= out->last || under == ROOM_OUTLIERS) {
				return ERR_OK;
			}
			pass(&descent, under);
			ceiling = under;
		}
	}
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

/* Room for a branch: free numbers, and which events right below the gap's event go down to them with it, highest first. */
struct branch_room {
	struct free_places to;
	struct event_place *passed;
	size_t passed_n;
	bool is_found;
};

/* From the gap's event downwards: history that was fetched at once leaves nothing free between its events. */
static enum err look_for_room(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, size_t needed, size_t limit, struct branch_room *out)
{
	struct descent descent;
	int64_t under;
	int64_t ceiling = below;
	TRY(descend(ctx, hs, room, below, limit, &descent));
	*out = (struct branch_room){.passed = ARENA_NEW_ARRAY(ctx->arena, struct event_place, limit)};
	while (next_taken(&descent, &under)) {
		out->to = free_between(under, ceiling);
		out->is_found = out->to.last - under >= (int64_t)(needed + out->passed_n);
		if (out->is_found || under == ROOM_OUTLIERS) {
			return ERR_OK;
		}
		if (next_place(&descent) == under) {
			out->passed[out->passed_n++] = (struct event_place){
				.position = descent.shown.events[descent.at_shown]->position,
				.place = under,
			};
		}
		pass(&descent, under);
		ceiling = under;
	}
	return ERR_OK;
}

static void move_to(struct room *room, const struct event_place *event, int64_t place,
	struct write *write)
{
	store_place_set(write, room->nid, db_bigint(event->position), place);
	store_gap_move(write, room->nid, event->place, place);
}

/* What has to be shown below, lowest first. *out NULL: it is too much. */
static enum err find_moved(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct late_event *late, struct event_place **out, size_t *out_count)
{
	struct event_place *found;
	size_t count;
	size_t moved = 0;
	TRY(find_behind(ctx, hs, room, late, &found, &count));
	for (size_t i = 0; i < count; i++) {
		if (found[i].place > late->below) {
			found[moved++] = found[i];
		}
	}
	if (moved > 1) {
		qsort(found, moved, sizeof(*found), compare_places);
	}
	*out = count <= MOVED_MAX ? found : NULL;
	*out_count = moved;
	return ERR_OK;
}

enum err room_order(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct late_event *late, struct write *write, int64_t *out_place)
{
	struct event_place *moved;
	size_t count;
	struct branch_room into;
	*out_place = 0;
	TRY(find_moved(ctx, hs, room, late, &moved, &count));
	size_t needed = count + (late->moves_itself ? 1 : 0);
	if (needed == 0 || moved == NULL) {
		return ERR_OK;
	}
	TRY(look_for_room(ctx, hs, room, late->below, needed, PASSED_FEW, &into));
	if (!into.is_found) {
		TRY(look_for_room(ctx, hs, room, late->below, needed, PASSED_MAX, &into));
	}
	if (!into.is_found) {
		return ERR_OK;
	}
	int64_t first = MAX_OF(into.to.first, into.to.last - INT64_C(2) * ROOM_GAP_POSITIONS);
	int64_t left = into.to.last - first + 1 - (int64_t)(needed + into.passed_n);
	int64_t place = first + left / 2;
	for (size_t i = into.passed_n; i > 0; i--) {
		move_to(room, &into.passed[i - 1], place++, write);
	}
	for (size_t i = 0; i < count; i++) {
		move_to(room, &moved[i], place++, write);
	}
	*out_place = late->moves_itself ? place : 0;
	return ERR_OK;
}

/* --- what is no part of the timeline -------------------------------------------------------------------------------- */

static void pass_to(struct room *room, const struct event *event, const struct known_list *list,
	struct write *write)
{
	for (size_t i = 0; i < list->n; i++) {
		bool is_itself = str_equals(list->ids[i].s, event->event_id.s);
		if (!is_itself && room_may_come(&list->known[i], list->ids[i])) {
			store_gap_pass(write, room->nid, event->event_id.s, list->ids[i].s);
		}
	}
}

enum err room_pass_gap(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *event)
{
	struct known_event *known =
		ARENA_NEW_ARRAY(ctx->arena, struct known_event, event->prev_count + 1);
	const struct known_list prevs = {event->prev_events, known, event->prev_count};
	struct known_list behind;
	struct named_gap *gap;
	size_t count = 0;
	TRY(room_has_gaps(room)
			? store_gaps_named(ctx, hs->db, room->nid, &event->event_id.s, 1, &gap, &count)
			: ERR_OK);
	if (count == 0) {
		return ERR_OK;
	}
	const struct late_event late = {.event = event, .below = gap->lowest};
	struct write *write = write_new(ctx);
	int64_t place;
	TRY(room_known_events(ctx, hs, room, prevs.ids, prevs.n, known));
	TRY(room_behind_aside(ctx, hs, room, known, prevs.n, &behind));
	TRY(room_order(ctx, hs, room, &late, write, &place));
	store_gap_close(write, room->nid, event->event_id.s);
	pass_to(room, event, &prevs, write);
	pass_to(room, event, &behind, write);
	TRY(writer_commit(ctx, hs->writer, write, NULL));
	return room_refresh_gaps(ctx, hs, room);
}
