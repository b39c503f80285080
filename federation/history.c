/*
 * Places go along with prev_events: what stands behind an event has a smaller one, also when it came later. So a walk reads the timeline
 * backwards as history shows it, and takes what was named by an event taken before. What was named and is not in the timeline is looked up.
 */
#include "federation/history.h"

#include "base/map.h"
#include "base/vec.h"
#include "homeserver/timeline/event_erased.h"
#include "matrix/canonical.h"
#include "matrix/redact.h"

#include <string.h>

enum {
	CHUNK = 200,
	TIMES_CHUNK = 50,
	ASIDE_STEPS_MAX = 100, /* from one event that was set aside to the next */
};

/* --- the door --------------------------------------------------------------------------------------------------- */

static enum err refuse(struct ctx *ctx)
{
	return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Your server is not in that room");
}

enum err history_open(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct server_name server, struct history *out)
{
	struct server_members members;
	bool is_allowed;
	enum err err = rooms_get(ctx, hs, room_id, &out->room);
	if (err == ERR_MISSING || (err == ERR_OK && !room_is_resident(out->room))) {
		return refuse(ctx);
	}
	TRY(err);
	TRY(room_await_whole(ctx, hs, out->room));
	TRY(room_server_members(ctx, hs, out->room, server, &members));
	TRY(room_allows_server(ctx, hs, out->room, server, &is_allowed));
	if (!members.is_joined || !is_allowed) {
		return refuse(ctx);
	}
	out->viewer = room_viewer_create_for_server(ctx, out->room, server);
	return ERR_OK;
}

static enum err no_event(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
}

enum err history_open_of(struct ctx *ctx, struct homeserver *hs, struct str event_id,
	struct server_name server, struct history *out)
{
	struct event_id id;
	struct event_row *rows;
	struct room *room;
	size_t count = 0;
	if (event_id_parse(event_id, &id)) {
		TRY(store_events_by_id(ctx, hs->db, &event_id, 1, &rows, &count));
	}
	if (count == 0) {
		return no_event(ctx);
	}
	TRY(rooms_get_nid(ctx, hs, rows[0].room_nid, &room));
	enum err err = history_open(ctx, hs, room_id_of(room).s, server, out);
	return err == ERR_DENIED ? no_event(ctx) : err;
}

enum err history_find(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	struct str event_id, struct stored_event **out)
{
	struct event_id id;
	*out = NULL;
	if (event_id_parse(event_id, &id)) {
		TRY(room_any_event(ctx, hs, history->room, event_id, out));
	}
	return *out == NULL || (*out)->fate == ROW_REJECTED ? no_event(ctx) : ERR_OK;
}

/* --- walking ----------------------------------------------------------------------------------------------------- */

/* What an event is to a walk; values of its map. */
static char wanted_mark;
static char stop_mark;
static char taken_mark;

struct walking {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct history_walk *walk;
	struct map ids;           /* event id → a mark */
	size_t open;              /* wanted ones that were not met */
	VEC(struct event_id) new; /* wanted ones of which nobody has looked where they are */
	VEC(struct stored_event *) found;
	bool has_aside; /* some of them are not in the timeline */
};

/* @param coming  ids that will be met anyway; NULL: none */
static void want(struct walking *walking, const struct event_id *ids, size_t count,
	const struct map *coming)
{
	for (size_t i = 0; i < count; i++) {
		if (map_get(&walking->ids, ids[i].s) != NULL) {
			continue;
		}
		(void)map_set(&walking->ids, ids[i].s, &wanted_mark);
		walking->open++;
		if (coming == NULL || map_get(coming, ids[i].s) == NULL) {
			VEC_PUSH(walking->ctx->arena, &walking->new, ids[i]);
		}
	}
}

static bool is_wanted(struct walking *walking, struct event_id id)
{
	return map_get(&walking->ids, id.s) == &wanted_mark;
}

static void close_one(struct walking *walking, struct event_id id)
{
	(void)map_set(&walking->ids, id.s, &taken_mark);
	walking->open--;
}

static bool is_full(const struct walking *walking)
{
	return walking->found.n >= walking->walk->limit;
}

static enum err begin(struct walking *walking)
{
	const struct history_walk *walk = walking->walk;
	struct known_event *known =
		ARENA_NEW_ARRAY(walking->ctx->arena, struct known_event, walk->from_count);
	for (size_t i = 0; i < walk->stop_count; i++) {
		(void)map_set(&walking->ids, walk->stop[i].s, &stop_mark);
	}
	if (!walk->without_from) {
		want(walking, walk->from, walk->from_count, NULL);
		return ERR_OK;
	}
	TRY(room_known_events(walking->ctx, walking->hs, walking->room, walk->from, walk->from_count,
		known));
	for (size_t i = 0; i < walk->from_count; i++) {
		(void)map_set(&walking->ids, walk->from[i].s, &stop_mark);
	}
	for (size_t i = 0; i < walk->from_count; i++) {
		if (known[i].event != NULL && known[i].fate != EVENT_OUTLIER) {
			want(walking, known[i].event->prev_events, known[i].event->prev_count, NULL);
		}
	}
	return ERR_OK;
}

/*
 * Soft-failed events are part of the answer where something of it stands on them, rejected ones are only gone through. What is before
 * others is not known. Nothing of it is in the timeline.
 */
static enum err take_aside(struct walking *walking, const struct known_event *known,
	struct event_id id)
{
	struct ctx *ctx = walking->ctx;
	const struct event *event = known->event;
	bool is_right = known->fate == EVENT_SOFT_FAILED;
	close_one(walking, id);
	if ((!is_right && known->fate != EVENT_REJECTED) || event->depth < walking->walk->min_depth) {
		return ERR_OK;
	}
	if (is_right && !is_full(walking)) {
		struct stored_event *stored;
		TRY(room_any_event(ctx, walking->hs, walking->room, id.s, &stored));
		if (stored == NULL) {
			return ERR_OK; /* given up meanwhile */
		}
		VEC_PUSH(ctx->arena, &walking->found, stored);
		walking->has_aside = true;
	}
	want(walking, event->prev_events, event->prev_count, NULL);
	return ERR_OK;
}

/* Finds where the new ones are. @param up_to  raised to the highest place in the timeline that is wanted */
static enum err look_up(struct walking *walking, int64_t *up_to)
{
	struct arena *arena = walking->ctx->arena;
	VEC(int64_t) positions = {0};
	for (size_t step = 0; step < ASIDE_STEPS_MAX && walking->new.n > 0 && !is_full(walking);
		 step++) {
		struct event_id *ids = ARENA_NEW_ARRAY(arena, struct event_id, walking->new.n);
		size_t n = 0;
		for (size_t i = 0; i < walking->new.n; i++) {
			if (is_wanted(walking, walking->new.p[i])) {
				ids[n++] = walking->new.p[i];
			}
		}
		walking->new.n = 0;
		struct known_event *known = ARENA_NEW_ARRAY(arena, struct known_event, n + 1);
		TRY(room_known_events(walking->ctx, walking->hs, walking->room, ids, n, known));
		for (size_t i = 0; i < n; i++) {
			if (known[i].fate == EVENT_IN_TIMELINE) {
				VEC_PUSH(arena, &positions, known[i].position);
			} else {
				TRY(take_aside(walking, &known[i], ids[i]));
			}
		}
	}
	if (positions.n == 0) {
		return ERR_OK;
	}
	int64_t *places = ARENA_NEW_ARRAY(arena, int64_t, positions.n);
	TRY(room_places_of(walking->ctx, walking->hs, walking->room, positions.p, positions.n, places));
	for (size_t i = 0; i < positions.n; i++) {
		*up_to = MAX_OF(*up_to, places[i]);
	}
	return ERR_OK;
}

/*
 * Takes what is wanted of a stretch of the timeline.
 * @param up_to  how far it came; or higher, where that stands on something that was set aside, and this on what was passed already
 */
static enum err take(struct walking *walking, const struct timeline *chunk, int64_t *up_to)
{
	struct map coming CLEANUP(map_fini) = {0};
	for (size_t i = 0; i < chunk->n; i++) {
		(void)map_set(&coming, chunk->events[i]->event->event_id.s, chunk->events[i]);
	}
	for (size_t i = 0; i < chunk->n && walking->open > 0 && !is_full(walking); i++) {
		const struct event *event = chunk->events[i]->event;
		int64_t here = *up_to = timeline_place(chunk, i) - 1;
		if (!is_wanted(walking, event->event_id)) {
			continue;
		}
		close_one(walking, event->event_id);
		if (event->depth < walking->walk->min_depth) {
			continue;
		}
		VEC_PUSH(walking->ctx->arena, &walking->found, chunk->events[i]);
		want(walking, event->prev_events, event->prev_count, &coming);
		TRY(look_up(walking, up_to));
		if (*up_to > here) {
			return ERR_OK;
		}
	}
	return ERR_OK;
}

/* Moves one behind the last that stands on it. @return whether it was before that */
static bool put_behind(struct stored_event **events, size_t count, size_t at)
{
	struct stored_event *moved = events[at];
	size_t last = at;
	for (size_t i = at + 1; i < count; i++) {
		const struct event *event = events[i]->event;
		for (size_t k = 0; k < event->prev_count; k++) {
			last = str_equals(event->prev_events[k].s, moved->event->event_id.s) ? i : last;
		}
	}
	memmove(&events[at], &events[at + 1], (last - at) * sizeof(struct stored_event *));
	events[last] = moved;
	return last > at;
}

/* What is taken of the timeline is in order by itself, as long as nothing else comes between. */
static void put_in_order(struct stored_event **events, size_t count)
{
	bool is_moving = true;
	for (size_t round = 0; is_moving && round < count; round++) {
		is_moving = false;
		for (size_t i = count; i > 0; i--) {
			is_moving = put_behind(events, count, i - 1) || is_moving;
		}
	}
}

static enum err run(struct walking *walking)
{
	int64_t up_to = ROOM_OUTLIERS;
	TRY(begin(walking));
	TRY(look_up(walking, &up_to));
	for (size_t scanned = 0; walking->open > 0 && !is_full(walking) && up_to > ROOM_OUTLIERS &&
		 scanned < HISTORY_SCAN_MAX;) {
		struct timeline chunk;
		TRY(room_timeline_shown(walking->ctx, walking->hs, walking->room, ROOM_OUTLIERS, up_to,
			true, CHUNK, &chunk));
		if (chunk.n == 0) {
			break;
		}
		TRY(take(walking, &chunk, &up_to));
		scanned += chunk.n;
	}
	return ERR_OK;
}

enum err history_walk(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	const struct history_walk *walk, struct stored_event ***out, size_t *out_count)
{
	struct walking walking = {.ctx = ctx, .hs = hs, .room = history->room, .walk = walk};
	map_init(&walking.ids);
	enum err err = run(&walking);
	map_fini(&walking.ids);
	TRY(err);
	if (walking.has_aside) {
		put_in_order(walking.found.p, walking.found.n);
	}
	*out = walking.found.p;
	*out_count = walking.found.n;
	return ERR_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool is_placed(const struct stored_event *stored)
{
	return stored->fate == ROW_IN_TIMELINE || stored->fate == ROW_IN_HISTORY;
}

/*
 * Events that are no part of the timeline have no time at which they could be seen. State is for all inside; what was soft-failed is for
 * those whom the state it stands on lets see all that was said. Of what was given up meanwhile nobody can tell any more.
 */
static enum err find_shown(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	struct stored_event *const *events, size_t count, bool *out)
{
	struct event_id *asked = ARENA_NEW_ARRAY(ctx->arena, struct event_id, count);
	size_t *which = ARENA_NEW_ARRAY(ctx->arena, size_t, count);
	bool *is_open = ARENA_NEW_ARRAY(ctx->arena, bool, count);
	size_t asked_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct stored_event *stored = events[i];
		out[i] =
			is_placed(stored) ? room_viewer_sees(history->viewer, stored) : stored->event->is_state;
		if (!out[i] && stored->fate == ROW_SOFT_FAILED) {
			which[asked_count] = i;
			asked[asked_count++] = stored->event->event_id;
		}
	}
	if (asked_count > 0) {
		TRY(room_were_open_at(ctx, hs, history->room, asked, asked_count, is_open));
	}
	for (size_t i = 0; i < asked_count; i++) {
		out[which[i]] = is_open[i];
	}
	return ERR_OK;
}

static struct str redacted_text(struct arena *arena, const struct event *event)
{
	struct json redacted = redact_event(arena, event->version, event_json(arena, event));
	return canonical_text(arena, &redacted);
}

enum err history_write(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	struct stored_event **events, size_t count, const char *key, struct json_out *out)
{
	struct stored_event **placed = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	for (size_t i = 0; i < count; i++) {
		placed[i] = is_placed(events[i]) ? events[i] : NULL;
	}
	TRY(room_viewer_cover_sight(ctx, hs, history->viewer, placed, count));
	struct str *texts = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	bool *shows_all = ARENA_NEW_ARRAY(ctx->arena, bool, count);
	TRY(find_shown(ctx, hs, history, events, count, shows_all));
	for (size_t i = 0; i < count; i++) {
		texts[i] = str_from(NULL, 0);
		if (!shows_all[i]) {
			texts[i] = redacted_text(ctx->arena, events[i]->event);
		}
	}
	TRY(erased_hide(ctx, hs, history->viewer, events, count));
	json_out_key(out, str_of(key));
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		json_out_raw(out, texts[i].p != NULL ? texts[i] : events[i]->event->raw);
	}
	json_out_end(out);
	return ERR_OK;
}

/* --- by time ---------------------------------------------------------------------------------------------------------- */

static enum err first_visible(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	const struct event_time *times, size_t count, const struct event **out)
{
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	struct stored_event **events;
	for (size_t i = 0; i < count; i++) {
		positions[i] = times[i].position;
	}
	TRY(room_events_at(ctx, hs, history->room, positions, count, &events));
	TRY(room_viewer_cover_sight(ctx, hs, history->viewer, events, count));
	for (size_t i = 0; i < count && *out == NULL; i++) {
		*out = events[i] != NULL && room_viewer_sees(history->viewer, events[i]) ? events[i]->event
																				 : NULL;
	}
	return ERR_OK;
}

enum err history_near(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	int64_t ts, bool is_backwards, const struct event **out)
{
	struct event_time from = {.origin_server_ts = ts,
		.position = is_backwards ? INT64_MAX : ROOM_OUTLIERS};
	*out = NULL;
	for (size_t scanned = 0; *out == NULL && scanned < HISTORY_SCAN_MAX; scanned += TIMES_CHUNK) {
		struct event_time *times;
		size_t count;
		const struct events_near near = {
			.room_nid = room_nid(history->room),
			.from = from,
			.up_to = POSITION_NOW,
			.is_backwards = is_backwards,
			.limit = TIMES_CHUNK,
		};
		TRY(store_events_near(ctx, hs->db, &near, &times, &count));
		if (count == 0) {
			break;
		}
		TRY(first_visible(ctx, hs, history, times, count, out));
		from = times[count - 1];
	}
	return *out != NULL ? ERR_OK
						: fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no event %s that time",
							  is_backwards ? "before" : "after");
}
