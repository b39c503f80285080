/*
 * What is outside of the timeline is read as a whole when it is looked at, and what turns out to be needed is noted, so that it is not read
 * again: a look costs what is new since the last one.
 */
#include "homeserver/room/room_aside.h"

#include "base/log.h"
#include "base/metrics.h"
#include "homeserver/room/room_aside_plan.h"
#include "homeserver/room/room_build.h"
#include "storage/graph.h"

enum {
	/* Reached before the number by events of the largest size, or with the states of long forks. */
	ASIDE_MAX_BYTES = 16 << 20,
	STATE_BYTES = 1024, /* of an ordinary event of the state */
	LOOKS = 10,         /* at the database, until as many as may be kept are new */
};

static struct metric forgotten =
	METRIC_COUNTER("belfry_events_forgotten_total", "Events that were set aside and given up");

/* --- columns ----------------------------------------------------------------------------------------------------- */

static struct str without_nul(struct arena *arena, struct str text)
{
	if (text.p == NULL || !str_has_nul(text)) {
		return text;
	}
	char *copy = arena_dup(arena, text.p, text.n);
	for (size_t i = 0; i < text.n; i++) {
		copy[i] = copy[i] == '\0' ? '?' : copy[i];
	}
	return str_from(copy, text.n);
}

struct event_columns room_aside_columns(struct arena *arena, const struct event *event)
{
	struct event_columns columns = room_event_columns(event);
	columns.type = without_nul(arena, columns.type);
	columns.state_key = without_nul(arena, columns.state_key);
	columns.sender = without_nul(arena, columns.sender);
	return columns;
}

/* --- what is held ----------------------------------------------------------------------------------------------- */

struct id_vec {
	struct str *p;
	size_t n;
	size_t capacity;
};

static void add_id(struct arena *arena, struct id_vec *ids, struct str id)
{
	if (!str_has_nul(id)) {
		VEC_PUSH(arena, ids, id);
	}
}

static enum err hold(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct id_vec *ids)
{
	return ids->n > 0 ? store_events_hold(ctx, hs->db, room->nid, ids->p, ids->n) : ERR_OK;
}

enum err room_aside_hold_auth(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count)
{
	struct id_vec ids = {0};
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < events[i]->auth_count; k++) {
			add_id(ctx->arena, &ids, events[i]->auth_events[k].s);
		}
	}
	return hold(ctx, hs, room, &ids);
}

/* The table of states holds it. */
static bool is_current(const struct acceptance *a, const struct known_event *known)
{
	const struct event *event = known->event;
	struct str key = state_slot_key(a->ctx->arena, event->type, event->state_key);
	LOCK_SCOPE(&a->room->lock);
	const struct state_slot *slot =
		a->room->content != NULL ? map_get(&a->room->content->state, key) : NULL;
	return slot != NULL && slot->event_position == known->position;
}

enum err room_aside_hold(const struct acceptance *a)
{
	struct ctx *ctx = a->ctx;
	struct id_vec ids = {0};
	for (size_t i = 0; i < a->event->auth_count; i++) {
		const struct known_event *auth = &a->auth[i];
		bool is_outside = auth->event != NULL && auth->position <= ROOM_OUTLIERS;
		if (is_outside && auth->event->is_state && !is_current(a, auth)) {
			add_id(ctx->arena, &ids, auth->event->event_id.s);
		}
	}
	size_t named = a->standing.difference.p != NULL ? a->before.n : 0;
	for (size_t i = 0; i < named; i++) {
		const struct state_step *step = &a->before.steps[i];
		if (step->event_id.p != NULL && step->event_position <= ROOM_OUTLIERS) {
			add_id(ctx->arena, &ids, step->event_id);
		}
	}
	return hold(ctx, a->hs, a->room, &ids);
}

/* --- who must not be disturbed ------------------------------------------------------------------------------------ */

void room_aside_begin(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	while (room->is_pruning) {
		cond_wait(&room->changed, &room->lock);
	}
	room->keeping++;
}

void room_aside_end(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	room->keeping--;
}

/* @return false when outliers are being stored: it is done next time */
static bool begin_pruning(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	room->is_pruning = room->keeping == 0;
	return room->is_pruning;
}

static void end_pruning(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	room->is_pruning = false;
	cond_broadcast(&room->changed);
}

/* --- what goes --------------------------------------------------------------------------------------------------- */

static bool read_names(struct arena *arena, const struct event *event, struct str difference,
	struct aside_event *out)
{
	struct json list = {.type = JSON_ARRAY};
	if (difference.p != NULL &&
		(json_parse(arena, difference, NULL, &list, NULL) != JSON_OK || list.type != JSON_ARRAY)) {
		return false;
	}
	struct str *names = ARENA_NEW_ARRAY(arena, struct str, event->auth_count + list.count + 1);
	for (size_t i = 0; i < event->auth_count; i++) {
		names[out->rests_on_n++] = event->auth_events[i].s;
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct json *entry = &list.items[i];
		if (json_is(entry, JSON_ARRAY) && entry->count == 3 &&
			entry->items[2].type == JSON_STRING) {
			names[out->rests_on_n++] = json_text(&entry->items[2]);
		}
	}
	out->rests_on = names;
	return true;
}

static enum err read_row(struct ctx *ctx, struct room *room, const struct aside_row *row,
	struct aside_event *out)
{
	const struct event *event = event_load(ctx->arena, room->version, row->json,
		(struct event_id){row->event_id}, room->id);
	*out = (struct aside_event){
		.id = row->event_id,
		.bytes = (int64_t)(row->json.n + row->difference.n),
		.is_held = row->is_held,
		.follows = event->prev_events,
		.follow_n = event->prev_count,
	};
	return read_names(ctx->arena, event, row->difference, out)
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "the state after %.*s", STR_ARG(row->event_id));
}

static enum err settle(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct aside_row *rows, const struct aside_event *events, const bool *goes, size_t count)
{
	VEC(struct str) held = {0};
	VEC(int64_t) gone = {0};
	for (size_t i = 0; i < count; i++) {
		if (goes[i]) {
			VEC_PUSH(ctx->arena, &gone, rows[i].position);
		} else if (events[i].is_held) {
			VEC_PUSH(ctx->arena, &held, rows[i].event_id);
		}
	}
	if (held.n > 0) {
		TRY(store_events_hold_all(ctx, hs->db, room->nid, held.p, held.n));
	}
	if (gone.n == 0) {
		return ERR_OK;
	}
	TRY(store_events_aside_forget(ctx, hs->db, room->nid, gone.p, gone.n));
	for (size_t i = 0; i < count; i++) {
		if (goes[i]) {
			room_uncache_event(hs, room, rows[i].event_id, rows[i].position);
		}
	}
	metric_add(&forgotten, (int64_t)gone.n);
	log_debug(0, "room.set_aside_forgotten", "room=%.*s count=%zu", STR_ARG(room->id.s), gone.n);
	return ERR_OK;
}

/* One event may bring a state of its own: it may be as large as the room's. */
static int64_t count_state(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->content != NULL ? (int64_t)room->content->state.n : 0;
}

static enum err prune(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	const int64_t state_n = count_state(room);
	const struct aside_ceiling ceiling = {
		.events = hs->settings.set_aside_max + state_n,
		.bytes = ASIDE_MAX_BYTES + state_n * STATE_BYTES,
	};
	struct aside_row *rows;
	size_t count;
	TRY(store_events_aside(ctx, hs->db, room->nid, &rows, &count));
	struct aside_event *events = ARENA_NEW_ARRAY(ctx->arena, struct aside_event, count + 1);
	bool *goes = ARENA_NEW_ARRAY(ctx->arena, bool, count + 1);
	for (size_t i = 0; i < count; i++) {
		TRY(read_row(ctx, room, &rows[i], &events[i]));
	}
	(void)room_aside_plan(ctx->arena, events, count, &ceiling, goes);
	return settle(ctx, hs, room, rows, events, goes, count);
}

void room_aside_note(struct room *room, size_t count, size_t bytes)
{
	atomic_fetch_sub(&room->aside_left, (int64_t)count);
	atomic_fetch_sub(&room->aside_left_bytes, (int64_t)bytes);
}

static enum err limit_in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	TRY(room_load_if_needed(ctx, hs, room));
	if (!begin_pruning(room)) {
		return ERR_OK;
	}
	enum err err = prune(ctx, hs, room);
	end_pruning(room);
	TRY(err);
	atomic_store(&room->aside_left, hs->settings.set_aside_max / LOOKS);
	atomic_store(&room->aside_left_bytes, ASIDE_MAX_BYTES / LOOKS);
	return ERR_OK;
}

enum err room_aside_limit(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	if (atomic_load(&room->aside_left) >= 0 && atomic_load(&room->aside_left_bytes) >= 0) {
		return ERR_OK;
	}
	TRY(room_turn_take(ctx, hs, room));
	enum err err = limit_in_turn(ctx, hs, room);
	room_turn_give(room);
	return err;
}
