/*
 * Places go along with prev_events: what stands behind an event has a smaller one, also when it came later. So a walk reads the timeline
 * backwards as history shows it, and takes what was named by an event taken before.
 */
#include "federation/history.h"

#include "base/map.h"
#include "base/vec.h"
#include "homeserver/timeline/event_erased.h"
#include "matrix/canonical.h"
#include "matrix/redact.h"

enum { CHUNK = 200, TIMES_CHUNK = 50 };

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

struct walking {
	struct ctx *ctx;
	const struct history_walk *walk;
	struct map ids; /* event id → a mark */
	size_t open;    /* wanted ones that were not met */
	VEC(struct stored_event *) found;
};

static void want(struct walking *walking, const struct event_id *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (map_get(&walking->ids, ids[i].s) == NULL) {
			(void)map_set(&walking->ids, ids[i].s, &wanted_mark);
			walking->open++;
		}
	}
}

/* @param out_place  the newest among the events from which the walk goes */
static enum err begin(struct walking *walking, struct homeserver *hs, struct room *room,
	int64_t *out_place)
{
	VEC(int64_t) positions = {0};
	const struct history_walk *walk = walking->walk;
	struct known_event *known =
		ARENA_NEW_ARRAY(walking->ctx->arena, struct known_event, walk->from_count);
	for (size_t i = 0; i < walk->stop_count; i++) {
		(void)map_set(&walking->ids, walk->stop[i].s, &stop_mark);
	}
	TRY(room_known_events(walking->ctx, hs, room, walk->from, walk->from_count, known));
	for (size_t i = 0; i < walk->from_count; i++) {
		if (known[i].fate != EVENT_IN_TIMELINE) {
			continue;
		}
		VEC_PUSH(walking->ctx->arena, &positions, known[i].position);
		if (walk->without_from) {
			want(walking, known[i].event->prev_events, known[i].event->prev_count);
			(void)map_set(&walking->ids, walk->from[i].s, &stop_mark);
		} else {
			want(walking, &walk->from[i], 1);
		}
	}
	int64_t *places = ARENA_NEW_ARRAY(walking->ctx->arena, int64_t, positions.n + 1);
	TRY(room_places_of(walking->ctx, hs, room, positions.p, positions.n, places));
	*out_place = ROOM_OUTLIERS;
	for (size_t i = 0; i < positions.n; i++) {
		*out_place = MAX_OF(*out_place, places[i]);
	}
	return ERR_OK;
}

/* @return whether there is nothing more to find */
static bool take(struct walking *walking, const struct timeline *chunk)
{
	const struct history_walk *walk = walking->walk;
	for (size_t i = 0; i < chunk->n && walking->open > 0; i++) {
		const struct event *event = chunk->events[i]->event;
		if (map_get(&walking->ids, event->event_id.s) != &wanted_mark) {
			continue;
		}
		walking->open--;
		if (event->depth < walk->min_depth) {
			continue;
		}
		VEC_PUSH(walking->ctx->arena, &walking->found, chunk->events[i]);
		if (walking->found.n >= walk->limit) {
			return true;
		}
		want(walking, event->prev_events, event->prev_count);
	}
	return walking->open == 0;
}

static enum err run(struct walking *walking, struct homeserver *hs, struct room *room)
{
	int64_t up_to;
	bool is_done = walking->walk->limit == 0;
	TRY(begin(walking, hs, room, &up_to));
	for (size_t scanned = 0; !is_done && walking->open > 0 && scanned < HISTORY_SCAN_MAX;) {
		struct timeline chunk;
		TRY(room_timeline_shown(walking->ctx, hs, room, ROOM_OUTLIERS, up_to, true, CHUNK, &chunk));
		is_done = take(walking, &chunk) || !chunk.has_more || chunk.n == 0;
		scanned += chunk.n;
		up_to = chunk.n > 0 ? timeline_place(&chunk, chunk.n - 1) - 1 : up_to;
	}
	return ERR_OK;
}

enum err history_walk(struct ctx *ctx, struct homeserver *hs, const struct history *history,
	const struct history_walk *walk, struct stored_event ***out, size_t *out_count)
{
	struct walking walking = {.ctx = ctx, .walk = walk};
	map_init(&walking.ids);
	enum err err = run(&walking, hs, history->room);
	map_fini(&walking.ids);
	*out = walking.found.p;
	*out_count = walking.found.n;
	return err;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool is_placed(const struct stored_event *stored)
{
	return stored->fate == ROW_IN_TIMELINE || stored->fate == ROW_IN_HISTORY;
}

/* Events that are no part of the timeline have no time at which they could be seen: state is for all inside. */
static bool is_shown(const struct history *history, const struct stored_event *stored)
{
	return is_placed(stored) ? room_viewer_sees(history->viewer, stored) : stored->event->is_state;
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
	for (size_t i = 0; i < count; i++) {
		texts[i] = str_from(NULL, 0);
		if (!is_shown(history, events[i])) {
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
