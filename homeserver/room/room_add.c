/*
 * Adding events to a room: take the turn, build on the head, hand the rows to the writer, give the turn on.
 *
 * A message gives the turn on before its commit, so that messages of one room share a flush. What changes the
 * state (or the text of an earlier event) keeps the turn until it is committed: the next event has to be judged
 * by it. When a write fails, the room's content is dropped and loaded anew; whoever had built on the failed event fails
 * by the check on event_seq and tries again.
 *
 * When nobody knows whether a write was committed, the room counts as changed until the next publication, whose positions
 * are behind those of the write: so no sync passes over it.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "homeserver/room/room_build.h"
#include "matrix/relation.h"
#include "storage/alias.h"
#include "storage/event.h"
#include "storage/room.h"
#include "storage/state.h"

enum { MAX_ATTEMPTS = 5, THREADS_KEPT = 1000, SPREAD_MS = 1000 };

static struct metric events_added =
	METRIC_COUNTER("belfry_events_added_total", "Events added to rooms by local users");

/* What the commit callbacks need; in the arena of the request that waits for them. */
struct room_commit {
	struct homeserver *hs;
	struct room *room;
	struct built_event *events;
	size_t count;
};

/* --- callbacks on the writer's thread -------------------------------------------------------------------- */

static void end_pending(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	room->pending--;
	cond_broadcast(&room->changed);
}

static bool is_local_member(const struct homeserver *hs, const struct event *event)
{
	return event->is_state && str_equals(event->type, STR("m.room.member")) &&
		hs_is_local(hs, event->state_key);
}

static void tell_member(struct room_commit *commit, const struct built_event *built)
{
	const struct event *event = built->event;
	if (is_local_member(commit->hs, event)) {
		const struct room_observer *observer = &commit->hs->rooms->observer;
		observer->membership_committed(observer->self, commit->room, event->state_key,
			event_membership(event), built->stored->position, built->stripped);
	}
}

static void on_committed(void *data, int64_t first_position)
{
	struct room_commit *commit = data;
	for (size_t i = 0; i < commit->count; i++) {
		struct built_event *built = &commit->events[i];
		struct stored_event *stored = built->stored;
		stored->position = first_position + (int64_t)i;
		stored->room_nid = commit->room->nid;
		if (built->columns.replaces_index >= 0) {
			stored->replaces_position = first_position + built->columns.replaces_index;
		}
		stored_event_ref(stored); /* room_apply takes this one, the request keeps its own */
		room_apply(commit->hs, commit->room, &stored, 1);
		if (built->redacted != NULL) {
			built->redacted->redacted_by = stored->position;
			room_apply_redaction(commit->hs, commit->room, built->redacted);
			built->redacted = NULL;
		}
		tell_member(commit, built);
	}
	end_pending(commit->room);
}

/* The lists of rooms of those whose membership may have changed are read anew. */
static void doubt_members(const struct room_commit *commit)
{
	const struct room_observer *observer = &commit->hs->rooms->observer;
	for (size_t i = 0; i < commit->count; i++) {
		const struct event *event = commit->events[i].event;
		if (is_local_member(commit->hs, event)) {
			observer->membership_unknown(observer->self, event->state_key);
		}
	}
}

/* What the room is now is in the database only. */
static void on_failed(void *data, bool outcome_unknown)
{
	struct room_commit *commit = data;
	struct room *room = commit->room;
	const struct room_observer *observer = &commit->hs->rooms->observer;
	if (outcome_unknown) {
		atomic_store(&room->is_uncertain, true);
	}
	lock_take(&room->lock);
	room->is_stale = true;
	room_unload_locked(commit->hs->rooms, room);
	lock_give(&room->lock);
	if (outcome_unknown) {
		doubt_members(commit);
		observer->room_committed(observer->self, room);
	}
	end_pending(room);
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static void write_state(struct write *write, struct homeserver *hs, struct room *room,
	const struct built_event *built, size_t index)
{
	const struct event *event = built->event;
	bool is_member = str_equals(event->type, STR("m.room.member"));
	struct state_row row = {
		.type = event->type,
		.state_key = built->columns.state_key,
		.event_id = event->event_id.s,
		.membership = is_member ? event_membership(event) : str_from(NULL, 0),
	};
	store_state_change(write, room->nid, &row, index);
	if (is_member) {
		struct member_row member = {
			.user_id = event->state_key,
			.room_nid = room->nid,
			.membership = row.membership,
			.is_local = hs_is_local(hs, event->state_key),
			.stripped = built->stripped,
		};
		store_member_set(write, &member, index);
	}
}

static void write_event(struct write *write, struct homeserver *hs, struct room *room,
	const struct built_event *built, size_t index)
{
	const struct event *event = built->event;
	store_event_insert(write, &built->row, &built->columns, index);
	if (event->is_state) {
		write_state(write, hs, room, built, index);
	}
	struct relation relation;
	if (relation_read(event->content, &relation) && relation.rel_type.p != NULL) {
		store_relation_insert(write, room->nid, relation.event_id, index, relation.rel_type,
			event->type, event->sender.s);
	}
	if (built->redacted != NULL) {
		const struct stored_event *redacted = built->redacted;
		store_event_redact(write, room->nid, redacted->event->event_id.s, redacted->event->raw,
			index);
	}
	for (size_t i = 0; i < built->mentioned_count; i++) {
		if (hs_is_local(hs, built->mentioned[i].s)) {
			store_mention_insert(write, built->mentioned[i].s, room->nid, index,
				built->row.thread_root, built->is_counted);
		}
	}
}

/* A redacted event no longer relates to its parent. */
static enum err write_unrelate(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct write *write, const struct built_event *built)
{
	if (built->redacted == NULL) {
		return ERR_OK;
	}
	struct stored_event *target;
	TRY(room_event(ctx, hs, room, built->redacted->event->event_id.s, &target));
	struct relation relation;
	if (relation_read(target->event->content, &relation) && relation.rel_type.p != NULL) {
		store_relation_delete(write, room->nid, relation.event_id, target->position);
	}
	return ERR_OK;
}

static void write_start(struct write *write, const struct room_start *start,
	const struct room_row *row, size_t last, int64_t now_ms)
{
	store_room_insert(write, row, last, now_ms);
	if (start->is_published) {
		store_room_publish(write, row->room_nid);
	}
	if (start->alias.p != NULL) {
		const struct alias_row alias = {.alias = start->alias,
			.room_nid = row->room_nid,
			.creator = start->intents[0].sender.s};
		store_alias_claim(write, &alias, now_ms);
	}
}

/* The write of everything that was built. @param start  of a new room, else NULL */
static enum err make_write(struct room_builder *builder, const struct room_start *start,
	struct str txn_key, struct write **out)
{
	struct ctx *ctx = builder->ctx;
	struct homeserver *hs = builder->hs;
	struct room *room = builder->room;
	struct write *write = write_new(ctx);
	size_t last = builder->count - 1;
	write_set_positions(write, builder->count);
	struct room_row row = {
		.room_nid = room->nid,
		.room_id = room->id.s,
		.version = room->version->id,
		.event_seq = builder->head.event_seq,
		.depth = builder->head.depth,
		.extremities = builder->head.extremities,
		.notify_seq = builder->head.main.notify_seq,
		.highlight_seq = builder->head.main.highlight_seq,
	};
	int64_t now_ms = clock_wall_ms(&hs->clock);
	if (start != NULL) {
		write_start(write, start, &row, last, now_ms);
	} else {
		store_room_advance(write, &row, room->head.event_seq, last);
	}
	for (size_t i = 0; i < builder->count; i++) {
		builder->events[i].row.room_nid = room->nid;
		write_event(write, hs, room, &builder->events[i], i);
		TRY(write_unrelate(ctx, hs, room, write, &builder->events[i]));
	}
	if (txn_key.p != NULL) {
		store_transaction_insert(write, txn_key, builder->events[0].event->event_id.s, now_ms);
	}
	*out = write;
	return ERR_OK;
}

/* --- the turn's part ------------------------------------------------------------------------------------------ */

/* Whether everything is committed but what is being submitted now. */
static bool is_only_pending(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->pending == 1;
}

/* The head moves on at once, so that the next event is built on these. */
static void advance_head(struct room_builder *builder)
{
	struct room *room = builder->room;
	struct room_head *head = &room->head;
	if (head->threads.n >= THREADS_KEPT && is_only_pending(room)) {
		room_head_clear_threads(head); /* the database knows them */
	}
	str_free(head->extremities);
	head->extremities = str_heap(builder->head.extremities);
	head->event_seq = builder->head.event_seq;
	head->depth = builder->head.depth;
	head->main = builder->head.main;
	size_t i = 0;
	struct str root;
	void *value;
	while (map_next(&builder->threads, &i, &root, &value)) {
		struct unread_counts *kept = map_get(&head->threads, root);
		if (kept == NULL) {
			kept = mem_alloc(sizeof(*kept));
			(void)map_set(&head->threads, root, kept);
		}
		*kept = *(const struct unread_counts *)value;
	}
}

static void submit(struct room_builder *builder, struct write *write)
{
	struct room_commit *commit = ARENA_NEW(builder->ctx->arena, struct room_commit);
	*commit = (struct room_commit){
		.hs = builder->hs,
		.room = builder->room,
		.events = builder->events,
		.count = builder->count,
	};
	write_on_commit(write, on_committed, commit);
	write_on_failure(write, on_failed, commit);
	lock_take(&builder->room->lock);
	builder->room->pending++;
	lock_give(&builder->room->lock);
	advance_head(builder);
	writer_submit(builder->hs->writer, write);
}

static bool changes_the_past(const struct room_builder *builder)
{
	for (size_t i = 0; i < builder->count; i++) {
		if (builder->events[i].event->is_state || builder->events[i].redacted != NULL) {
			return true;
		}
	}
	return false;
}

/* Gives the committed events to the request. */
static void hand_out(struct room_builder *builder, struct stored_event **out)
{
	for (size_t i = 0; i < builder->count; i++) {
		struct built_event *built = &builder->events[i];
		stored_event_until_reset(builder->ctx->arena, built->stored);
		if (out != NULL) {
			out[i] = built->stored;
		}
		built->stored = NULL;
	}
	metric_add(&events_added, (int64_t)builder->count);
}

/* Builds and submits while the caller has the turn. @param out_keeps_turn  until the commit */
static enum err build_and_submit(struct room_builder *builder, const struct room_intent *intents,
	size_t count, struct write **out, bool *out_keeps_turn)
{
	for (size_t i = 0; i < count; i++) {
		TRY(room_builder_add(builder, &intents[i]));
	}
	TRY(make_write(builder, NULL, intents[0].txn_key, out));
	/* From submit() on the events belong to the writer's thread. */
	*out_keeps_turn = changes_the_past(builder);
	submit(builder, *out);
	return ERR_OK;
}

static enum err add_once(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, struct stored_event **out)
{
	TRY(room_turn_take(ctx, hs, room));
	lock_take(&room->lock);
	bool needs_load = room->content == NULL || room->is_stale;
	lock_give(&room->lock);
	enum err err = needs_load ? room_load(ctx, hs, room) : ERR_OK;
	if (err != ERR_OK) {
		room_turn_give(room);
		return err;
	}
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, room, count);
	struct write *write;
	bool keeps_turn = false;
	err = build_and_submit(&builder, intents, count, &write, &keeps_turn);
	if (err != ERR_OK) {
		room_turn_give(room);
		return err;
	}
	if (!keeps_turn) {
		room_turn_give(room);
	}
	err = writer_wait(ctx, write, NULL);
	if (keeps_turn) {
		room_turn_give(room);
	}
	if (err == ERR_OK) {
		hand_out(&builder, out);
	}
	return err;
}

/* What a repeated transaction id made. Errors: MISSING when it is new. */
static enum err find_transaction(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct stored_event **out)
{
	struct str event_id;
	TRY(store_transaction_find(ctx, hs->db, intent->txn_key, &event_id));
	struct stored_event *event;
	TRY(room_event(ctx, hs, room, event_id, &event));
	if (out != NULL) {
		*out = event;
	}
	return ERR_OK;
}

/* The same, when the event is among the newest of the room: the usual case of a client that tries again. */
static struct stored_event *find_recent_transaction(struct ctx *ctx, struct room *room,
	const struct room_intent *intent)
{
	struct stored_event *found = NULL;
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	for (size_t i = 0; content != NULL && i < content->recent_n; i++) {
		struct stored_event *event = content->recent[(content->recent_first + i) % ROOM_RECENT];
		if (str_equals(event->txn_id, intent->txn_id) &&
			str_equals(event->txn_device, intent->txn_device) &&
			str_equals(event->event->sender.s, intent->sender.s) &&
			str_equals(event->event->type, intent->type) &&
			str_equals(event->event->redacts, intent->redacts)) {
			found = event;
		}
	}
	if (found != NULL) {
		stored_event_ref(found);
		stored_event_until_reset(ctx->arena, found);
	}
	return found;
}

enum err room_add(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, struct stored_event **out)
{
	invariant(count > 0);
	bool has_txn = count == 1 && intents[0].txn_key.p != NULL;
	if (has_txn) {
		struct stored_event *known = find_recent_transaction(ctx, room, &intents[0]);
		if (known != NULL) {
			if (out != NULL) {
				out[0] = known;
			}
			return ERR_OK;
		}
	}
	enum err err = ERR_CONFLICT;
	for (int attempt = 0; attempt < MAX_ATTEMPTS && err == ERR_CONFLICT; attempt++) {
		err = add_once(ctx, hs, room, intents, count, out);
		if (err == ERR_CONFLICT && has_txn) {
			enum err found = find_transaction(ctx, hs, room, &intents[0], out);
			if (found != ERR_MISSING) {
				return found;
			}
		}
	}
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
	}
	return err;
}

/* --- new rooms ------------------------------------------------------------------------------------------------------ */

/* A room that nobody else can see until it is committed. */
static struct room *fresh_room(struct homeserver *hs, const struct room_version *version,
	struct arena *arena)
{
	struct room *room = ARENA_NEW(arena, struct room);
	room->version = version;
	lock_init(&room->lock, RANK_ROOM);
	cond_init(&room->changed);
	if (!version->room_id_is_create_hash) {
		room->id.s = str_heap(str_printf(arena, "!%.*s:%.*s",
			STR_ARG(rng_text(&hs->rng, arena, 18)), STR_ARG(hs->signer.server.s)));
	}
	return room;
}

static void fresh_room_fini(struct room **room)
{
	str_free((*room)->id.s);
	cond_fini(&(*room)->changed);
	lock_fini(&(*room)->lock);
}

static void on_new_committed(void *data, int64_t first_position)
{
	struct room_commit *commit = data;
	const struct room_observer *observer = &commit->hs->rooms->observer;
	struct room *room = rooms_intern(commit->hs->rooms, commit->room->nid, commit->room->id.s,
		commit->room->version->id, first_position + (int64_t)commit->count - 1, 0);
	for (size_t i = 0; i < commit->count; i++) {
		struct built_event *built = &commit->events[i];
		built->stored->position = first_position + (int64_t)i;
		built->stored->room_nid = room->nid;
		struct room_commit told = {.hs = commit->hs, .room = room};
		tell_member(&told, built);
	}
	observer->room_committed(observer->self, room);
	room_unref(room);
}

static void on_new_failed(void *data, bool outcome_unknown)
{
	if (outcome_unknown) {
		doubt_members(data);
	}
}

static enum err create_once(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	int64_t *out_nid)
{
	struct room *fresh CLEANUP(fresh_room_fini) = fresh_room(hs, start->version, ctx->arena);
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, fresh, start->count);
	for (size_t i = 0; i < start->count; i++) {
		TRY(room_builder_add(&builder, &start->intents[i]));
	}
	TRY(rooms_new_nid(ctx, hs, &fresh->nid));
	struct write *write;
	TRY(make_write(&builder, start, str_from(NULL, 0), &write));
	struct room_commit *commit = ARENA_NEW(ctx->arena, struct room_commit);
	*commit = (struct room_commit){.hs = hs,
		.room = fresh,
		.events = builder.events,
		.count = builder.count};
	write_on_commit(write, on_new_committed, commit);
	write_on_failure(write, on_new_failed, commit);
	TRY(writer_commit(ctx, hs->writer, write, NULL));
	metric_add(&events_added, (int64_t)start->count);
	*out_nid = fresh->nid;
	return ERR_OK;
}

static enum err check_alias_free(struct ctx *ctx, struct homeserver *hs, struct str alias)
{
	if (alias.p == NULL) {
		return ERR_OK;
	}
	struct alias_row row;
	enum err err = store_alias_find(ctx, hs->db, alias, &row);
	if (err == ERR_OK) {
		return fail(ctx, ERR_INPUT, M_ROOM_IN_USE, "That alias is taken");
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

enum err rooms_add_new(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	struct room **out)
{
	struct room_intent *intents = ARENA_NEW_ARRAY(ctx->arena, struct room_intent, start->count);
	for (size_t i = 0; i < start->count; i++) {
		intents[i] = start->intents[i];
	}
	struct room_start current = *start;
	current.intents = intents;
	int64_t nid = 0;
	enum err err = create_once(ctx, hs, &current, &nid);
	for (int attempt = 1; attempt < MAX_ATTEMPTS && err == ERR_CONFLICT; attempt++) {
		TRY(check_alias_free(ctx, hs, start->alias));
		/* The same create event at the same millisecond has the same id, which from version 12 on is the room's. */
		intents[0].origin_server_ts =
			clock_wall_ms(&hs->clock) - (int64_t)(rng_u64(&hs->rng) % SPREAD_MS);
		err = create_once(ctx, hs, &current, &nid);
	}
	TRY(err);
	return rooms_get_nid(ctx, hs, nid, out);
}
