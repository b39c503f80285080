/*
 * Where events that were fetched later stand in the graph. What others gave is in the order of depth, which is its senders' word, and what it
 * stands on may be here already, above: then that is moved below it. So is, for each, what is met by way of events that were set aside.
 */
#include "homeserver/room/room_history.h"

#include "base/fault_point.h"
#include "homeserver/room/room_place.h"
#include "storage/place.h"

#include <stdlib.h>

enum { BATCH = 500 }; /* events that are looked up at once: a statement's time has a limit */

/* --- before they are written ------------------------------------------------------------------------------------------ */

struct past_event *history_event(struct history *history, struct str event_id)
{
	for (size_t i = 0; i < history->events.n; i++) {
		if (str_equals(history->events.p[i].event->event_id.s, event_id)) {
			return &history->events.p[i];
		}
	}
	return NULL;
}

enum err history_look_up(struct history *history, const struct event_id *ids, size_t count,
	struct map *out)
{
	struct ctx *ctx = history->ctx;
	VEC(struct event_id) once = {0};
	for (size_t i = 0; i < count; i++) {
		if (map_set(out, ids[i].s, out) == NULL) {
			VEC_PUSH(ctx->arena, &once, ids[i]);
		}
	}
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, once.n + 1);
	for (size_t done = 0; done < once.n; done += BATCH) {
		TRY(room_known_events(ctx, history->hs, history->room, once.p + done,
			MIN_OF(once.n - done, (size_t)BATCH), known + done));
	}
	for (size_t i = 0; i < once.n; i++) {
		(void)map_set(out, once.p[i].s, &known[i]);
	}
	return ERR_OK;
}

/* Those that are missing at gaps below the place that they get, and where that is. */
static enum err find_lower_gaps(struct history *history)
{
	struct ctx *ctx = history->ctx;
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, history->events.n);
	struct named_gap *named;
	size_t count;
	for (size_t i = 0; i < history->events.n; i++) {
		ids[i] = history->events.p[i].event->event_id.s;
	}
	TRY(store_gaps_named(ctx, history->hs->db, history->room->nid, ids, history->events.n, &named,
		&count));
	for (size_t i = 0; i < count; i++) {
		struct past_event *past = history_event(history, named[i].prev_id);
		past->is_late = named[i].lowest < past->position;
	}
	return ERR_OK;
}

/* What one of them stands on, by whatever way. */
static void note_prevs(struct history *history, struct past_event *past,
	const struct known_list *prevs)
{
	for (size_t i = 0; i < prevs->n; i++) {
		const struct past_event *other = history_event(history, prevs->ids[i].s);
		bool is_here = prevs->known[i].fate == EVENT_IN_TIMELINE;
		int64_t position = other != NULL ? other->position : prevs->known[i].position;
		if (other != NULL || is_here) {
			past->is_late = past->is_late || position > past->position;
		} else if (room_may_come(&prevs->known[i], prevs->ids[i])) {
			past->missing[past->missing_n++] = prevs->ids[i];
		}
	}
}

/* What they stand on but for one another. */
static enum err look_up_prevs(struct history *history, struct map *out)
{
	VEC(struct event_id) ids = {0};
	for (size_t i = 0; i < history->events.n; i++) {
		const struct event *event = history->events.p[i].event;
		for (size_t k = 0; k < event->prev_count; k++) {
			if (history_event(history, event->prev_events[k].s) == NULL) {
				VEC_PUSH(history->ctx->arena, &ids, event->prev_events[k]);
			}
		}
	}
	return history_look_up(history, ids.p, ids.n, out);
}

/* @param found  what look_up_prevs() found */
static enum err find_prevs(struct history *history, struct past_event *past,
	const struct map *found)
{
	struct ctx *ctx = history->ctx;
	const struct event *event = past->event;
	struct known_event *known =
		ARENA_NEW_ARRAY(ctx->arena, struct known_event, event->prev_count + 1);
	const struct known_list prevs = {event->prev_events, known, event->prev_count};
	struct known_list behind;
	for (size_t i = 0; i < prevs.n; i++) {
		const struct known_event *prev = map_get(found, prevs.ids[i].s);
		known[i] = prev != NULL ? *prev : (struct known_event){0}; /* one of these events */
	}
	TRY(room_behind_aside(ctx, history->hs, history->room, known, prevs.n, &behind));
	past->missing = ARENA_NEW_ARRAY(ctx->arena, struct event_id, prevs.n + behind.n + 1);
	note_prevs(history, past, &prevs);
	note_prevs(history, past, &behind);
	return ERR_OK;
}

enum err history_find_graph(struct history *history)
{
	struct map found CLEANUP(map_fini) = {0};
	TRY(find_lower_gaps(history));
	TRY(look_up_prevs(history, &found));
	for (size_t i = 0; i < history->events.n; i++) {
		TRY(find_prevs(history, &history->events.p[i], &found));
	}
	return ERR_OK;
}

/* --- afterwards ------------------------------------------------------------------------------------------------------- */

/* What came before by another way, and has its place below it; or it below others. */
static enum err order_one(struct history *history, const struct past_event *past)
{
	struct ctx *ctx = history->ctx;
	if (FAULT_POINT("history.order")) {
		return fail_cause(ctx, ERR_STORE, "fault point");
	}
	struct write *write = write_new(ctx);
	struct event_place *moved;
	size_t moved_n;
	struct named_gap *named;
	size_t named_n;
	int64_t place;
	/* It, and those that stand on it, may have been moved with what stands on them. */
	TRY(store_places_of(ctx, history->hs->db, history->room->nid, &past->position, 1, &moved,
		&moved_n));
	TRY(store_gaps_named(ctx, history->hs->db, history->room->nid, &past->event->event_id.s, 1,
		&named, &named_n));
	int64_t now = moved_n > 0 ? moved[0].place : past->position;
	int64_t lowest = named_n > 0 ? named[0].lowest : now;
	const struct late_event late = {
		.event = past->event,
		.below = MIN_OF(now, lowest),
		.moves_itself = lowest < now,
	};
	TRY(room_order(ctx, history->hs, history->room, &late, write, &place));
	if (place != 0) {
		store_place_set(write, history->room->nid, db_bigint(past->position), place);
		store_gap_move(write, history->room->nid, now, place);
	}
	store_gap_close(write, history->room->nid, past->event->event_id.s);
	TRY(writer_commit(ctx, history->hs->writer, write, NULL));
	return room_refresh_gaps(ctx, history->hs, history->room);
}

/* Oldest first. Nobody is told of history, so a commit for each that needs it is no harm. */
enum err history_order(struct history *history)
{
	for (size_t i = history->events.n; i > 0; i--) {
		const struct past_event *past = &history->events.p[i - 1];
		TRY(past->is_late ? order_one(history, past) : ERR_OK);
	}
	return ERR_OK;
}

/* --- what somebody left in between ------------------------------------------------------------------------------------ */

enum err history_gap(struct history *history, struct gap_row *out)
{
	return store_gap_newest(history->ctx, history->hs->db, history->room->nid, history->below - 1,
		history->below, INT64_MAX, out);
}

/* Newest first. */
static int compare_position(const void *a, const void *b)
{
	int64_t left = ((const struct past_event *)a)->position;
	int64_t right = ((const struct past_event *)b)->position;
	return left > right ? -1 : left < right;
}

/* What came here, but was not put in order: whoever had it come ended in between. */
static enum err order_again(struct history *history, const struct gap_row *gap)
{
	struct ctx *ctx = history->ctx;
	struct history came = {
		.ctx = ctx,
		.hs = history->hs,
		.room = history->room,
		.below = history->below,
	};
	struct event_id *ids = ARENA_NEW_ARRAY(ctx->arena, struct event_id, gap->prev_count);
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, gap->prev_count);
	for (size_t i = 0; i < gap->prev_count; i++) {
		ids[i].s = gap->prev_ids[i];
	}
	TRY(room_known_events(ctx, came.hs, came.room, ids, gap->prev_count, known));
	for (size_t i = 0; i < gap->prev_count; i++) {
		const struct past_event past = {
			.event = known[i].event,
			.position = known[i].position,
			.is_late = true,
		};
		if (known[i].fate == EVENT_IN_TIMELINE) {
			VEC_PUSH(ctx->arena, &came.events, past);
		}
	}
	if (came.events.n > 1) {
		qsort(came.events.p, came.events.n, sizeof(struct past_event), compare_position);
	}
	return history_order(&came);
}

enum err history_begin(struct history *history, struct gap_row *out)
{
	TRY(room_settle(history->ctx, history->hs, history->room));
	TRY(room_load_if_needed(history->ctx, history->hs, history->room));
	TRY(history_gap(history, out));
	if (out->prev_count == 0) {
		return ERR_OK;
	}
	TRY(order_again(history, out));
	return history_gap(history, out);
}

enum err room_order_history(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, size_t *out_missing)
{
	struct history history = {.ctx = ctx, .hs = hs, .room = room, .below = below};
	struct gap_row gap;
	TRY(room_turn_take(ctx, hs, room));
	enum err err = history_begin(&history, &gap);
	room_turn_give(room);
	*out_missing = err == ERR_OK ? gap.prev_count : 0;
	return err;
}
