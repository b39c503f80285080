/*
 * History before what is known: what others had in the room while nobody of this server was there, or what was lost on the way.
 * It takes the free positions before the event at which it was missing, and the intervals of state get to know since when they hold.
 *
 * Only what the gap leads to is taken: the events that are missing, what they stand on, and so on.
 */
#include "homeserver/room/room_history.h"
#include "homeserver/room/room_aside.h"
#include "homeserver/room/room_place.h"

#include "matrix/relation.h"

#include <stdlib.h>

/* --- which events --------------------------------------------------------------------------------------------- */

static int compare_age(const void *a, const void *b)
{
	const struct event *left = ((const struct past_event *)a)->event;
	const struct event *right = ((const struct past_event *)b)->event;
	if (left->depth != right->depth) {
		return left->depth > right->depth ? -1 : 1;
	}
	if (left->origin_server_ts != right->origin_server_ts) {
		return left->origin_server_ts > right->origin_server_ts ? -1 : 1;
	}
	return str_compare(left->event_id.s, right->event_id.s);
}

/* Leaves out those that stand, by way of others if need be, on auth events that are missing. @return how many are left */
static size_t drop_lacking(const struct event **events, size_t count,
	const struct event_id *missing, size_t missing_count)
{
	struct map lacking CLEANUP(map_fini) = {0};
	for (size_t i = 0; i < missing_count; i++) {
		(void)map_set(&lacking, missing[i].s, &lacking);
	}
	for (size_t before = count + 1; count < before;) {
		before = count;
		count = 0;
		for (size_t i = 0; i < before; i++) {
			bool is_lacking = false;
			for (size_t k = 0; k < events[i]->auth_count && !is_lacking; k++) {
				is_lacking = map_get(&lacking, events[i]->auth_events[k].s) != NULL;
			}
			if (is_lacking) {
				(void)map_set(&lacking, events[i]->event_id.s, &lacking);
			} else {
				events[count++] = events[i];
			}
		}
	}
	return count;
}

/*
 * Takes those as outliers whose auth events are all at hand. One that stands on unknown events is left for another time: whoever asks for
 * history asks for these first (room_missing_auth()).
 */
static enum err judge(struct history *history, const struct event *const *events, size_t count)
{
	struct ctx *ctx = history->ctx;
	struct room_outcome outcome;
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count + 1);
	const struct event **whole = ARENA_NEW_ARRAY(ctx->arena, const struct event *, count + 1);
	for (size_t i = 0; i < count; i++) {
		whole[i] = events[i];
	}
	enum err err =
		room_know_outliers(ctx, history->hs, history->room, whole, count, &outcome, known);
	if (err == ERR_MISSING) {
		ctx->fault = (struct fault){0};
		count = drop_lacking(whole, count, outcome.missing_auth, outcome.missing_auth_count);
		err = room_know_outliers(ctx, history->hs, history->room, whole, count, &outcome, known);
	}
	TRY(err);
	for (size_t i = 0; i < count; i++) {
		/* What is in the timeline already ends the way: behind it is another gap, or none. */
		if (known[i].event != NULL && known[i].fate != EVENT_IN_TIMELINE) {
			(void)map_set(&history->given, whole[i]->event_id.s, &known[i]);
		}
	}
	return ERR_OK;
}

/* Follows prev_events from the gap through what was given. Those that were rejected or set aside are not taken. */
static void follow(struct history *history, const struct gap_row *gap)
{
	struct arena *arena = history->ctx->arena;
	VEC(struct str) queue = {0};
	for (size_t i = 0; i < gap->prev_count; i++) {
		VEC_PUSH(arena, &queue, gap->prev_ids[i]);
	}
	for (size_t i = 0; i < queue.n; i++) {
		const struct known_event *known = map_remove(&history->given, queue.p[i]);
		if (known == NULL) {
			continue;
		}
		if (known->fate == EVENT_OUTLIER) {
			const struct past_event past = {.event = known->event, .moved_from = known->position};
			VEC_PUSH(arena, &history->events, past);
		}
		for (size_t k = 0; k < known->event->prev_count; k++) {
			VEC_PUSH(arena, &queue, known->event->prev_events[k].s);
		}
	}
	if (history->events.n > 1) {
		qsort(history->events.p, history->events.n, sizeof(struct past_event), compare_age);
	}
}

/* --- where they go -------------------------------------------------------------------------------------------- */

/* Downwards from the event at the gap; as many as there is room for. */
static enum err place(struct history *history)
{
	struct timeline timeline;
	TRY(room_timeline(history->ctx, history->hs, history->room, ROOM_OUTLIERS, history->below - 1,
		true, 1, &timeline));
	history->before = timeline.n > 0 ? timeline.events[0] : NULL;
	struct free_places free_places;
	TRY(room_free_places(history->ctx, history->hs, history->room, history->below, &free_places));
	size_t kept = 0;
	for (int64_t next = free_places.last; kept < history->events.n && next >= free_places.first;
		 kept++) {
		history->events.p[kept].position = next--;
	}
	history->events.n = kept;
	return ERR_OK;
}

/* --- since when state holds --------------------------------------------------------------------------------------- */

static struct state_row row_of(const struct past_event *past)
{
	const struct event *event = past->event;
	bool is_member = str_equals(event->type, STR("m.room.member"));
	return (struct state_row){
		.type = event->type,
		.state_key = event->state_key.p != NULL ? event->state_key : STR(""),
		.from_position = past->position,
		.event_position = past->position,
		.event_id = event->event_id.s,
		.membership = is_member ? event_membership(event) : str_from(NULL, 0),
	};
}

static void insert_at(struct key_history *key, size_t at, const struct state_interval *interval)
{
	for (size_t i = key->n; i > at; i--) {
		key->rows[i] = key->rows[i - 1];
	}
	key->rows[at] = *interval;
	key->n++;
}

/* It holds since later. What ends there, or before, does not hold at all: another begins where it ends. */
static void begin_later(struct key_history *key, size_t at, int64_t position)
{
	key->rows[at].row.from_position = position;
	if (key->rows[at].to_position <= position) {
		key->n--;
		for (size_t i = at; i < key->n; i++) {
			key->rows[i] = key->rows[i + 1];
		}
	}
}

static void begin_interval(struct key_history *key, size_t at, int64_t position)
{
	struct state_interval *interval = &key->rows[at];
	bool is_earlier = position < interval->row.from_position;
	bool is_unknown = interval->row.from_position <= ROOM_OUTLIERS;
	if (is_unknown || is_earlier) {
		interval->row.from_position = position;
	}
	for (size_t k = 0; k < at; k++) {
		key->rows[k].to_position = MIN_OF(key->rows[k].to_position, position);
	}
}

/*
 * The event has been known as state: it holds since here. What held before it ends here. More than one interval may name it, such as an invite
 * that was kept before this server was in the room, and held when it came: all have to find it where it is now.
 * @return false where something began between here and there, as on a branch beside it: that stays, and so does that it holds from there on
 */
static bool begin_earlier(struct key_history *key, const struct past_event *past)
{
	size_t at = key->n; /* the first */
	for (size_t i = key->n; i > 0; i--) {
		struct state_row *row = &key->rows[i - 1].row;
		if (row->event_position == past->moved_from &&
			str_equals(row->event_id, past->event->event_id.s)) {
			row->event_position = past->position;
			at = i - 1;
		}
	}
	bool is_next = at < key->n && (at == 0 || key->rows[at - 1].row.from_position < past->position);
	if (is_next) {
		begin_interval(key, at, past->position);
	}
	return is_next;
}

/*
 * It was state for a while: until what is known to have followed, or until the event at the gap. What the state is there was found out
 * when that event came, and stays: what held before the gap and holds behind it begins anew there.
 */
static void hold_between(struct key_history *key, const struct past_event *past, int64_t below)
{
	struct state_interval interval = {.row = row_of(past), .to_position = past->position + 1};
	size_t at = 0;
	while (at < key->n && key->rows[at].row.from_position > ROOM_OUTLIERS &&
		key->rows[at].row.from_position <= past->position) {
		at++;
	}
	struct state_interval behind = {0};
	if (at > 0) {
		behind = key->rows[at - 1];
		interval.to_position = MIN_OF(behind.to_position, below);
		key->rows[at - 1].to_position = MIN_OF(behind.to_position, past->position);
	} else if (key->n > 0 && key->rows[0].row.from_position <= ROOM_OUTLIERS) {
		begin_later(key, 0, past->position + 1); /* until it is known when it began */
	} else if (key->n > 0) {
		interval.to_position = key->rows[0].row.from_position;
	}
	if (interval.to_position > past->position) {
		insert_at(key, at, &interval);
	}
	if (at > 0 && behind.to_position > below) {
		behind.row.from_position = below;
		insert_at(key, at + 1, &behind);
	}
}

/*
 * What held where an event of long ago was put, as others say: it counts where nothing more is known than what was found when this
 * server came, or nothing at all. @param held  NULL: there was nothing
 */
static void hold_at(struct key_history *key, const struct known_event *held, int64_t position)
{
	size_t at = 0;
	while (at < key->n && key->rows[at].to_position <= position) {
		at++;
	}
	struct state_interval *covering =
		at < key->n && key->rows[at].row.from_position <= position ? &key->rows[at] : NULL;
	bool is_it = covering != NULL && held != NULL && covering->row.event_position == held->position;
	if (is_it || (covering != NULL && covering->row.from_position > ROOM_OUTLIERS) ||
		(covering == NULL && held == NULL)) {
		return;
	}
	int64_t until = position + 1;
	if (covering != NULL) {
		begin_later(key, at, until); /* until it is known when it began */
	} else if (at < key->n) {
		until = key->rows[at].row.from_position;
	}
	key->is_changed = true;
	if (held != NULL) {
		struct state_interval interval = {.to_position = until};
		const struct past_event past = {.event = held->event, .position = held->position};
		interval.row = row_of(&past);
		interval.row.from_position =
			at > 0 ? MAX_OF(key->rows[at - 1].to_position, position - 1) : STATE_SINCE_EVER;
		insert_at(key, at, &interval);
	}
}

static void refine(struct key_history *key, const struct past_event *past, int64_t below)
{
	key->is_changed = true;
	if (!begin_earlier(key, past)) {
		hold_between(key, past, below);
	}
}

static struct key_history *key_at(struct history *history, struct map *keys, struct str type,
	struct str state_key, size_t room)
{
	struct arena *arena = history->ctx->arena;
	struct str name = state_slot_key(arena, type, state_key);
	struct key_history *key = map_get(keys, name);
	if (key == NULL) {
		key = ARENA_NEW(arena, struct key_history);
		key->rows = ARENA_NEW_ARRAY(arena, struct state_interval, room);
		(void)map_set(keys, name, key);
	}
	return key;
}

/* What held there, where it is known. */
static void hold_all(struct history *history, struct map *keys, size_t room)
{
	for (size_t i = 0; i < history->held_n; i++) {
		const struct held_state *held = &history->held[i];
		hold_at(key_at(history, keys, held->type, held->state_key, room), held->event,
			history->events.p[0].position);
	}
}

static enum err load_keys(struct history *history, struct map *keys)
{
	struct ctx *ctx = history->ctx;
	VEC(struct str) types = {0};
	VEC(struct str) state_keys = {0};
	for (size_t i = 0; i < history->events.n; i++) {
		const struct event *event = history->events.p[i].event;
		if (event->is_state) {
			VEC_PUSH(ctx->arena, &types, event->type);
			VEC_PUSH(ctx->arena, &state_keys,
				event->state_key.p != NULL ? event->state_key : STR(""));
		}
	}
	for (size_t i = 0; i < history->held_n; i++) {
		VEC_PUSH(ctx->arena, &types, history->held[i].type);
		VEC_PUSH(ctx->arena, &state_keys, history->held[i].state_key);
	}
	if (types.n == 0) {
		return ERR_OK;
	}
	struct state_interval *rows;
	size_t count;
	TRY(store_state_intervals(ctx, history->hs->db, history->room->nid, types.p, state_keys.p,
		types.n, &rows, &count));
	size_t room = count + history->events.n + 2; /* what is held, and what begins anew */
	for (size_t i = 0; i < count; i++) {
		struct key_history *key =
			key_at(history, keys, rows[i].row.type, rows[i].row.state_key, room);
		key->rows[key->n++] = rows[i];
	}
	hold_all(history, keys, room);
	for (size_t i = 0; i < history->events.n; i++) {
		const struct past_event *past = &history->events.p[i];
		if (past->event->is_state) {
			struct state_row row = row_of(past);
			refine(key_at(history, keys, row.type, row.state_key, room), past, history->below);
		}
	}
	return ERR_OK;
}

static void write_keys(struct history *history, struct map *keys, struct write *write)
{
	size_t i = 0;
	struct str name;
	void *value;
	while (map_next(keys, &i, &name, &value)) {
		const struct key_history *key = value;
		if (!key->is_changed) {
			continue;
		}
		store_state_forget(write, history->room->nid, key->rows[0].row.type,
			key->rows[0].row.state_key);
		for (size_t k = 0; k < key->n; k++) {
			store_state_interval(write, history->room->nid, &key->rows[k]);
		}
	}
}

/* --- the write ------------------------------------------------------------------------------------------------- */

static void write_past(struct history *history, const struct past_event *past, struct write *write)
{
	const struct event *event = past->event;
	int64_t nid = history->room->nid;
	struct relation relation;
	bool relates = !past->is_redacted && !past->is_held &&
		relation_read(event->content, &relation) && relation.rel_type.p != NULL &&
		!str_has_nul(relation.event_id) && !str_has_nul(relation.rel_type);
	struct event_row row = {
		.room_nid = nid,
		.event_id = event->event_id.s,
		.fate = ROW_IN_HISTORY,
	};
	if (relates && relation_is(&relation, STR("m.thread"))) {
		row.thread_root = relation.event_id;
	} else if (history->before != NULL) {
		row.notify_seq = history->before->thread_root.p == NULL ? history->before->notify_seq : 0;
		row.highlight_seq =
			history->before->thread_root.p == NULL ? history->before->highlight_seq : 0;
	}
	const struct event_columns columns = room_event_columns(event);
	store_event_move(write, &row, &columns, db_bigint(past->position));
	if (relates) {
		store_relation_insert(write, nid, relation.event_id, db_bigint(past->position),
			relation.rel_type, event->type, event->sender.s);
	}
	if (past->is_late) {
		store_gap_leave(write, nid, history->below, event->event_id.s);
	} else {
		store_gap_close(write, nid, event->event_id.s);
	}
	for (size_t i = 0; i < past->missing_n; i++) {
		store_gap_insert(write, nid, db_bigint(past->position), past->missing[i].s);
	}
}

/* They are found elsewhere than where they were: in the timeline, or as what another process has judged them to be meanwhile. */
static void uncache_moved(struct history *history)
{
	for (size_t i = 0; i < history->events.n; i++) {
		room_uncache_event(history->hs, history->room, history->events.p[i].event->event_id.s,
			history->events.p[i].moved_from);
	}
}

/* What the writer's thread does with it. */
static void on_committed(void *data, int64_t first_position)
{
	(void)first_position;
	struct history *history = data;
	struct room *room = history->room;
	size_t at = 0;
	struct str name;
	void *value;
	while (map_next(&history->keys, &at, &name, &value)) {
		const struct key_history *key = value;
		const struct state_interval *last = key->n > 0 ? &key->rows[key->n - 1] : NULL;
		if (key->is_changed && last != NULL && last->to_position == INT64_MAX) {
			room_apply_since(room, last->row.type, last->row.state_key, last->row.from_position,
				last->row.event_position);
		}
	}
	room_apply_history(room, history->events.p[0].position);
	for (size_t i = 0; i < history->redacted.n; i++) {
		stored_event_ref(history->redacted.p[i]);
		room_apply_redaction(history->hs, room, history->redacted.p[i]);
	}
	uncache_moved(history);
}

static void on_failed(void *data)
{
	uncache_moved(data);
}

static enum err hold_auth(struct history *history)
{
	size_t count = history->events.n;
	const struct event **events = ARENA_NEW_ARRAY(history->ctx->arena, const struct event *, count);
	for (size_t i = 0; i < count; i++) {
		events[i] = history->events.p[i].event;
	}
	return room_aside_hold_auth(history->ctx, history->hs, history->room, events, count);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

enum err history_add(struct history *history)
{
	struct write *write = write_new(history->ctx);
	TRY(history_find_graph(history));
	TRY(hold_auth(history));
	TRY(load_keys(history, &history->keys));
	TRY(history_redact(history, write));
	for (size_t i = 0; i < history->events.n; i++) {
		write_past(history, &history->events.p[i], write);
	}
	write_keys(history, &history->keys, write);
	write_on_commit(write, on_committed, history);
	write_on_failure(write, on_failed, history);
	TRY(writer_commit(history->ctx, history->hs->writer, write, NULL));
	TRY(history_order(history));
	return room_refresh_gaps(history->ctx, history->hs, history->room);
}

/* What was missing, but is no part of the timeline: the gap goes over to what that stands on. */
static enum err pass_gap(struct history *history, struct gap_row *gap)
{
	struct ctx *ctx = history->ctx;
	struct event_id *ids = ARENA_NEW_ARRAY(ctx->arena, struct event_id, gap->prev_count);
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, gap->prev_count);
	bool has_passed = false;
	for (size_t i = 0; i < gap->prev_count; i++) {
		ids[i].s = gap->prev_ids[i];
	}
	TRY(room_known_events(ctx, history->hs, history->room, ids, gap->prev_count, known));
	for (size_t i = 0; i < gap->prev_count; i++) {
		if (known[i].fate == EVENT_REJECTED || known[i].fate == EVENT_SOFT_FAILED) {
			TRY(room_pass_gap(ctx, history->hs, history->room, known[i].event));
			has_passed = true;
		}
	}
	return has_passed ? history_gap(history, gap) : ERR_OK;
}

static enum err add_in_turn(struct history *history, const struct event *const *events,
	size_t count)
{
	struct gap_row gap;
	TRY(history_begin(history, &gap));
	if (gap.prev_count == 0) {
		return ERR_OK;
	}
	TRY(judge(history, events, count));
	TRY(pass_gap(history, &gap));
	follow(history, &gap);
	TRY(place(history));
	return history->events.n > 0 ? history_add(history) : ERR_OK;
}

static enum err add_once(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t below,
	const struct event *const *events, size_t count, size_t *out_added)
{
	struct history history = {.ctx = ctx, .hs = hs, .room = room, .below = below};
	*out_added = 0;
	TRY(room_turn_take(ctx, hs, room));
	enum err err = add_in_turn(&history, events, count);
	room_turn_give(room);
	map_fini(&history.given);
	map_fini(&history.keys);
	*out_added = err == ERR_OK ? history.events.n : 0;
	return err;
}

enum err room_accept_history(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, const struct event *const *events, size_t count, size_t *out_added)
{
	struct room_tries tries = {0};
	enum err err = ERR_CONFLICT;
	TRY(room_await_whole(ctx, hs, room));
	while (err == ERR_CONFLICT && room_may_try(ctx, hs, &tries)) {
		err = add_once(ctx, hs, room, below, events, count, out_added);
	}
	return err;
}
