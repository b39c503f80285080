/*
 * Coming into rooms of others. A room is first a row without state, of which nobody is told; its events and its state are stored in
 * batches beside the writer, and one small commit with the join makes it what it is. A crash in between leaves rows that the
 * next attempt finds and uses.
 */
#include "base/json_out.h"
#include "base/vec.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_fork.h"
#include "homeserver/room/room_known.h"
#include "homeserver/room/room_write.h"
#include "matrix/auth.h"
#include "matrix/membership.h"
#include "storage/graph.h"
#include "storage/partial_join.h"
#include "storage/room.h"
#include "storage/state.h"

enum { BATCH = 500 };

/* --- rooms without state -------------------------------------------------------------------------------------------- */

/* The room, made when it is unknown; its content is loaded. */
static enum err ensure_room(struct ctx *ctx, struct homeserver *hs,
	const struct room_version *version, struct room_id room_id, struct room **out)
{
	enum err err = rooms_get(ctx, hs, room_id.s, out);
	if (err == ERR_MISSING) {
		struct room_row row = {.room_id = room_id.s,
			.version = version->id,
			.extremities = STR("[]")};
		TRY(rooms_new_nid(ctx, hs, &row.room_nid));
		struct write *write = write_new(ctx);
		write_set_positions(write, 1);
		store_room_insert(write, &row, 0, clock_wall_ms(&hs->clock));
		err = writer_commit(ctx, hs->writer, write, NULL);
		if (err == ERR_OK || err == ERR_CONFLICT) { /* somebody else was first */
			err = rooms_get(ctx, hs, room_id.s, out);
		}
	}
	TRY(err);
	if ((*out)->version != version) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room is known with another version");
	}
	return ERR_OK;
}

/* What is written beside the room's events: its content has to be read anew. The caller has the turn. */
static enum err reload(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	lock_take(&room->lock);
	room->is_stale = true;
	room_unload_locked(hs->rooms, room);
	lock_give(&room->lock);
	return room_load(ctx, hs, room);
}

/* --- state that changes by no event of the timeline ----------------------------------------------------------------------- */

/* One write of such changes; in the arena of the request that waits for it. */
struct steps_commit {
	struct homeserver *hs;
	struct room *room;
	const struct state_step *steps;
	size_t count;
	struct str stripped; /* of the one member that there is */
};

static void on_steps_committed(void *data, int64_t first_position)
{
	struct steps_commit *commit = data;
	const struct room_observer *observer = &commit->hs->rooms->observer;
	for (size_t i = 0; i < commit->count; i++) {
		const struct state_step *step = &commit->steps[i];
		if (str_equals(step->type, STR("m.room.member")) &&
			hs_is_local(commit->hs, step->state_key)) {
			observer->membership_committed(observer->self, commit->room, step->state_key,
				step->membership.p != NULL ? step->membership : STR("leave"), first_position,
				commit->stripped);
		}
	}
	lock_take(&commit->room->lock);
	commit->room->is_stale = true;
	room_unload_locked(commit->hs->rooms, commit->room);
	lock_give(&commit->room->lock);
}

/* In a write that may rest on more; it is waited for. */
static enum err commit_steps(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct write *write, const struct state_step *steps, size_t count, struct str stripped)
{
	write_set_positions(write, 1);
	store_room_stand(write, room->nid, room->head.event_seq);
	for (size_t i = 0; i < count; i++) {
		room_write_step(write, hs, room, &steps[i], stripped, 0);
	}
	struct steps_commit *commit = ARENA_NEW(ctx->arena, struct steps_commit);
	*commit = (struct steps_commit){hs, room, steps, count, stripped};
	write_on_commit(write, on_steps_committed, commit);
	return writer_commit(ctx, hs->writer, write, NULL);
}

/* --- importing ------------------------------------------------------------------------------------------------------ */

struct importing {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct room_import *import;
	struct known_event
		*state; /* of the events given, those that are allowed; one each key; without fate */
	size_t state_count;
	struct state_map map;
	struct str stands_on; /* the event of who joins that held at the last look; empty: none did */
};

static enum err store_events(struct importing *in)
{
	const struct room_import *import = in->import;
	size_t count = import->state_count + import->auth_count;
	const struct event **events = ARENA_NEW_ARRAY(in->ctx->arena, const struct event *, count + 1);
	for (size_t i = 0; i < import->state_count; i++) {
		events[i] = import->state[i];
	}
	for (size_t i = 0; i < import->auth_count; i++) {
		events[import->state_count + i] = import->auth[i];
	}
	struct room_outcome outcome;
	enum err err = room_accept_outliers(in->ctx, in->hs, in->room, events, count, &outcome);
	if (err == ERR_MISSING) {
		return fail(in->ctx, ERR_DENIED, M_FORBIDDEN,
			"The room's state came without what it stands on");
	}
	TRY(err);
	int64_t ground;
	TRY(store_room_ground(in->ctx, in->hs->db, in->room->nid, &ground));
	atomic_store(&in->room->ground, ground);
	return ERR_OK;
}

/*
 * What is stored under the ids of the state's events: what was given, which is not read back, for its id is its hash. Where servers name their
 * events as they like another may have come under that name before. @param out  zeroed
 */
static enum err find_stored(struct importing *in, const struct event_id *ids, size_t count,
	struct known_event *out)
{
	struct ctx *ctx = in->ctx;
	if (in->room->version->event_id_encoding == EVENT_ID_EXPLICIT) {
		return room_known_events(ctx, in->hs, in->room, ids, count, out);
	}
	struct str *texts = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		texts[i] = ids[i].s;
	}
	TRY(store_events_standing(ctx, in->hs->db, in->room->nid, texts, count, positions));
	for (size_t i = 0; i < count; i++) {
		out[i].position = positions[i];
		out[i].event = positions[i] != 0 ? in->import->state[i] : NULL;
	}
	return ERR_OK;
}

/* Of the events given those that are stored and allowed. */
static enum err find_state(struct importing *in)
{
	struct ctx *ctx = in->ctx;
	size_t count = in->import->state_count;
	struct event_id *ids = ARENA_NEW_ARRAY(ctx->arena, struct event_id, count);
	for (size_t i = 0; i < count; i++) {
		ids[i] = in->import->state[i]->event_id;
	}
	in->state = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count);
	TRY(find_stored(in, ids, count, in->state));
	state_map_init(&in->map, ctx->arena);
	for (size_t i = 0; i < count; i++) {
		const struct known_event *known = &in->state[i];
		bool is_good =
			known->event != NULL && known->event->is_state && known->fate != EVENT_REJECTED;
		if (is_good &&
			state_map_get(&in->map, known->event->type, known->event->state_key) == NULL) {
			(void)state_map_put(&in->map, known->event);
			in->state[in->state_count++] = *known;
		}
	}
	return ERR_OK;
}

static enum err check_create(struct importing *in)
{
	const struct event *create = state_map_get(&in->map, STR("m.room.create"), STR(""));
	if (create == NULL) {
		return fail(in->ctx, ERR_DENIED, M_FORBIDDEN, "The room's state has no beginning");
	}
	struct stored_event *known;
	TRY(room_state_event(in->ctx, in->hs, in->room, STR("m.room.create"), STR(""), POSITION_NOW,
		&known));
	if (known != NULL && !str_equals(known->event->event_id.s, create->event_id.s)) {
		return fail(in->ctx, ERR_DENIED, M_FORBIDDEN, "The room is known with another beginning");
	}
	return ERR_OK;
}

/* By the state that was given; its auth events are part of it or known. */
static enum err check_join(struct importing *in)
{
	const struct event *join = in->import->join;
	TRY(check_create(in));
	struct state_view view = state_map_view(&in->map);
	struct verdict verdict = auth_check(join, &view);
	return verdict.allowed ? ERR_OK : fail(in->ctx, ERR_DENIED, M_FORBIDDEN, "%s", verdict.text);
}

/* State that the room has since ever, as far as this server can know, so much at a time. */
static enum err import_state(struct importing *in, size_t batch)
{
	struct ctx *ctx = in->ctx;
	struct state_row *rows = ARENA_NEW_ARRAY(ctx->arena, struct state_row, batch);
	struct member_row *members = ARENA_NEW_ARRAY(ctx->arena, struct member_row, batch);
	for (size_t done = 0; done < in->state_count;) {
		size_t n = 0;
		size_t member_n = 0;
		for (; n < batch && done < in->state_count; n++, done++) {
			const struct event *event = in->state[done].event;
			bool is_member = str_equals(event->type, STR("m.room.member"));
			rows[n] = (struct state_row){
				.type = event->type,
				.state_key = event->state_key.p != NULL ? event->state_key : STR(""),
				.event_position = in->state[done].position,
				.event_id = event->event_id.s,
				.membership = is_member ? event_membership(event) : str_from(NULL, 0),
			};
			if (is_member) {
				members[member_n++] = (struct member_row){
					.user_id = event->state_key,
					.membership = rows[n].membership,
					.is_local = hs_is_local(in->hs, event->state_key),
				};
			}
		}
		TRY(store_state_import(ctx, in->hs->db, in->room->nid, rows, n));
		TRY(store_member_import(ctx, in->hs->db, in->room->nid, members, member_n));
	}
	return ERR_OK;
}

/* Members that were left out did not leave. */
static void keep_members(struct fork_state *state)
{
	size_t kept = 0;
	for (size_t i = 0; i < state->n; i++) {
		bool is_absent = state->steps[i].event_id.p == NULL &&
			str_equals(state->steps[i].type, STR("m.room.member"));
		if (!is_absent) {
			state->steps[kept++] = state->steps[i];
		}
	}
	state->n = kept;
}

/* What the state is now, where it differs from what was known. */
static enum err update_state(struct importing *in)
{
	struct fork_state state =
		room_fork_of_events(in->ctx->arena, in->room, in->state, in->state_count);
	if (in->import->omits_members) {
		keep_members(&state);
	}
	for (size_t done = 0; done < state.n; done += BATCH) {
		TRY(commit_steps(in->ctx, in->hs, in->room, write_new(in->ctx), state.steps + done,
			MIN_OF(state.n - done, (size_t)BATCH), str_from(NULL, 0)));
	}
	return state.n > 0 ? reload(in->ctx, in->hs, in->room) : ERR_OK;
}

/* Whom to ask for the members, as a JSON array. */
static struct str servers_text(struct importing *in)
{
	const struct room_import *import = in->import;
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, import->server_count * (ID_MAX_BYTES + 3) + 3);
	json_out_init(&out, &buf);
	json_out_array(&out);
	for (size_t i = 0; i < import->server_count; i++) {
		json_out_str(&out, import->servers[i].s);
	}
	json_out_end(&out);
	invariant(buf_ok(&buf));
	return str_dup(in->ctx->arena, buf_str(&buf));
}

/* Whether members are missing from the join on. A room that was left before it was whole is so by a join with all of them. */
static void write_wholeness(struct importing *in, struct write *write, size_t index)
{
	if (in->import->omits_members) {
		const struct partial_join_row row = {
			.join_event_id = in->import->join->event_id.s,
			.servers = servers_text(in),
			.retry_at_ms = clock_wall_ms(&in->hs->clock),
		};
		store_partial_join_insert(write, in->room->nid, &row);
		/* Nobody of here is in it yet, so nobody sees it before the commit; should that fail, it is read anew. */
		atomic_store(&in->room->whole_at, ROOM_NOT_WHOLE);
		room_note_rest(in->room, ROOM_REST_ASKED); /* what others said was of a stay before */
	} else if (room_is_partial(in->room)) {
		store_partial_join_end(write, in->room->nid, index);
		atomic_store(&in->room->whole_at, 0); /* who comes in gets it as it is */
	}
}

/* The join, at the end of what was missed; the room is resident with it. */
static enum err commit_join(struct importing *in)
{
	struct ctx *ctx = in->ctx;
	struct known_event known;
	TRY(room_known_events(ctx, in->hs, in->room, &in->import->join->event_id, 1, &known));
	if (known.event != NULL && known.fate != EVENT_OUTLIER) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The join is known already");
	}
	const struct event *join = known.event != NULL ? known.event : in->import->join;
	const struct event_standing standing = {
		.extremities = room_extremities_text(ctx->arena, &join->event_id, 1),
		.moved_from = known.position,
		.missing_prev = join->prev_events,
		.missing_prev_count = join->prev_count,
	};
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, in->hs, in->room, 1);
	TRY(room_builder_take(&builder, join, &standing, NULL));
	/* The first time there is room below all positions, else before the join. */
	size_t base = builder.head.event_seq > 1 ? ROOM_GAP_POSITIONS : 0;
	struct write *write = write_new(ctx);
	store_state_stand(write, in->room->nid, join->type, join->state_key, in->stands_on);
	write_set_positions(write, base + 1);
	TRY(room_write_rows(&builder, NULL, write, base));
	write_wholeness(in, write, base);
	room_submit(&builder, write, base);
	return writer_wait(ctx, write, NULL);
}

/*
 * Another process may come into the room at the same time: what it wrote first holds, and this join is one of a room that we are in. Who
 * joins may leave before the answer is here.
 */
static enum err require_outside(struct importing *in)
{
	const struct event *join = in->import->join;
	struct stored_event *now;
	TRY(room_load_if_needed(in->ctx, in->hs, in->room));
	if (room_is_resident(in->room)) {
		return ERR_CONFLICT;
	}
	TRY(room_state_event(in->ctx, in->hs, in->room, join->type, join->state_key, POSITION_NOW,
		&now));
	in->stands_on = now != NULL ? now->event->event_id.s : STR("");
	return now != NULL && event_stands_on(now->event, join)
		? fail(in->ctx, ERR_DENIED, M_FORBIDDEN, "The user has left the room meanwhile")
		: ERR_OK;
}

/* What another process was told between the look and the commit is looked at as well. */
static enum err commit_from_outside(struct importing *in)
{
	struct room_tries tries = {0};
	enum err err = ERR_CONFLICT;
	while (err == ERR_CONFLICT && room_may_try(in->ctx, in->hs, &tries)) {
		TRY(require_outside(in));
		err = commit_join(in);
		TRY(err == ERR_CONFLICT ? reload(in->ctx, in->hs, in->room) : ERR_OK);
	}
	return err;
}

static enum err import_in_turn(struct importing *in)
{
	TRY(require_outside(in));
	bool is_new = in->room->head.event_seq == 0;
	if (in->import->omits_members && !is_new) {
		return fail(in->ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
	}
	TRY(store_events(in));
	TRY(find_state(in));
	TRY(check_join(in));
	if (is_new) {
		TRY(import_state(in, BATCH));
		TRY(reload(in->ctx, in->hs, in->room));
		TRY(require_outside(in));
	}
	TRY(update_state(in));
	return commit_from_outside(in);
}

enum err rooms_import(struct ctx *ctx, struct homeserver *hs, const struct room_import *import,
	struct room **out)
{
	struct importing importing = {.ctx = ctx, .hs = hs, .import = import};
	TRY(ensure_room(ctx, hs, import->version, import->room_id, &importing.room));
	TRY(room_turn_take(ctx, hs, importing.room));
	enum err err = import_in_turn(&importing);
	room_turn_give(importing.room);
	TRY(err);
	return rooms_get(ctx, hs, import->room_id.s, out);
}

/* --- the rest ------------------------------------------------------------------------------------------------------------ */

static enum err store_rest_in_turn(struct importing *in)
{
	TRY(room_load_if_needed(in->ctx, in->hs, in->room));
	if (!room_is_partial(in->room) || !room_is_resident(in->room)) {
		return ERR_OK;
	}
	TRY(check_create(in));
	/* All at once, so that a crash does not leave a mixture of what two servers say. */
	TRY(import_state(in, in->state_count));
	return store_partial_join_stored(in->ctx, in->hs->db, in->room->nid);
}

enum err rooms_store_rest(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_import *import)
{
	struct importing importing = {.ctx = ctx, .hs = hs, .room = room, .import = import};
	TRY(store_events(&importing));
	TRY(find_state(&importing));
	TRY(room_turn_take(ctx, hs, room));
	enum err err = store_rest_in_turn(&importing);
	room_turn_give(room);
	return err;
}

struct whole_commit {
	struct homeserver *hs;
	struct room *room;
};

static void on_whole(void *data, int64_t position)
{
	const struct whole_commit *commit = data;
	struct room *room = commit->room;
	const struct room_observer *observer = &commit->hs->rooms->observer;
	lock_take(&room->lock);
	room->is_stale = true;
	room_unload_locked(commit->hs->rooms, room);
	atomic_store(&room->whole_at, position);
	atomic_store(&room->last_position, position);
	lock_give(&room->lock);
	room_wake_rest_waiters(room);
	observer->room_committed(observer->self, room);
}

static enum err make_whole_in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	TRY(room_load_if_needed(ctx, hs, room));
	TRY(room_settle(ctx, hs, room)); /* messages are committed without the turn */
	if (!room_is_partial(room)) {
		return ERR_OK;
	}
	struct write *write = write_new(ctx);
	write_set_positions(write, 1);
	store_partial_join_end(write, room->nid, 0);
	struct whole_commit *commit = ARENA_NEW(ctx->arena, struct whole_commit);
	*commit = (struct whole_commit){hs, room};
	write_on_commit(write, on_whole, commit);
	TRY(writer_commit(ctx, hs->writer, write, NULL));
	return room_load(ctx, hs, room);
}

enum err rooms_make_whole(struct ctx *ctx, struct homeserver *hs, struct room *room)
{
	TRY(room_turn_take(ctx, hs, room));
	enum err err = make_whole_in_turn(ctx, hs, room);
	room_turn_give(room);
	return err;
}

/* --- memberships from outside -------------------------------------------------------------------------------------------- */

/* Whether it ends the only join of this server. */
static bool ends_join(const struct event *event, const struct event *now)
{
	enum membership membership = membership_of(event);
	return (membership == MEMBERSHIP_LEAVE || membership == MEMBERSHIP_BAN) &&
		membership_of(now) == MEMBERSHIP_JOIN && event_stands_on(event, now);
}

/*
 * Whether another membership came after it, here and in the room: what others end is what they name, and whatever names it came later. They
 * may be told in any order: an invite before the answer to the knock, a knock before the end of the last one.
 */
static bool is_overtaken(const struct event *event, const struct event *now)
{
	enum membership membership = membership_of(event);
	bool is_end = membership == MEMBERSHIP_LEAVE || membership == MEMBERSHIP_BAN;
	bool is_by_others = !str_equals(event->sender.s, event->state_key);
	return is_end && is_by_others ? now == NULL || !event_stands_on(event, now)
								  : now != NULL && event_stands_on(now, event);
}

static enum err keep_outside(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *event, struct known_event *out)
{
	int64_t *position;
	TRY(rooms_new_outliers(ctx, hs, room, 1, &position));
	const struct kept_event kept = {
		.position = *position,
		.event_id = event->event_id.s,
		.json = event->raw,
		.columns = room_event_columns(event),
		.fate = ROW_OUTLIER,
	};
	TRY(store_events_keep(ctx, hs->db, room->nid, &kept, 1, NULL));
	TRY(room_known_events(ctx, hs, room, &event->event_id, 1, out));
	return out->event != NULL
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_FORBIDDEN, "The event belongs to another room");
}

/* Judged by the member's event of now, which is what it is committed on. */
static enum err set_outside_once(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct outside_membership *what)
{
	const struct event *event = what->event;
	struct stored_event *stored;
	struct known_event known;
	TRY(room_load_if_needed(ctx, hs, room));
	TRY(room_state_event(ctx, hs, room, event->type, event->state_key, POSITION_NOW, &stored));
	const struct event *now = stored != NULL ? stored->event : NULL;
	bool is_resident = room_is_resident(room);
	if (is_resident && (!room_is_partial(room) || !ends_join(event, now))) {
		return ERR_CONFLICT;
	}
	if (is_overtaken(event, now)) {
		return ERR_OK;
	}
	TRY(is_resident ? room_settle(ctx, hs, room) : ERR_OK);
	TRY(keep_outside(ctx, hs, room, event, &known));
	struct state_step *step = ARENA_NEW(ctx->arena, struct state_step);
	*step = (struct state_step){
		.type = event->type,
		.state_key = event->state_key,
		.event_id = event->event_id.s,
		.membership = event_membership(event),
		.event_position = known.position,
	};
	struct write *write = write_new(ctx);
	store_state_stand(write, room->nid, event->type, event->state_key,
		now != NULL ? now->event_id.s : STR(""));
	TRY(commit_steps(ctx, hs, room, write, step, 1, what->stripped));
	return is_resident ? room_load(ctx, hs, room) : ERR_OK;
}

/* Another process may have been first with the membership, or with a join: then this one is judged anew. */
static enum err set_outside_in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct outside_membership *what)
{
	struct room_tries tries = {0};
	enum err err = ERR_CONFLICT;
	while (err == ERR_CONFLICT && room_may_try(ctx, hs, &tries)) {
		err = set_outside_once(ctx, hs, room, what);
		if (err == ERR_CONFLICT && room_is_resident(room)) {
			return err;
		}
		TRY(err == ERR_CONFLICT ? reload(ctx, hs, room) : ERR_OK);
	}
	return err == ERR_CONFLICT ? fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again")
							   : err;
}

enum err rooms_set_outside(struct ctx *ctx, struct homeserver *hs,
	const struct outside_membership *what)
{
	struct room *room;
	TRY(ensure_room(ctx, hs, what->version, what->event->room_id, &room));
	TRY(room_turn_take(ctx, hs, room));
	enum err err = set_outside_in_turn(ctx, hs, room, what);
	room_turn_give(room);
	room_wake_rest_waiters(
		room); /* a partial room in which nobody of here is keeps nobody waiting */
	return err;
}
