/*
 * What is done with events that were built: their rows in a write, and what follows when it was committed, or was not.
 */
#include "homeserver/room/room_write.h"
#include "homeserver/room/room_accept.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "matrix/relation.h"
#include "storage/alias.h"
#include "storage/server_notice.h"
#include "storage/event.h"
#include "storage/graph.h"
#include "storage/place.h"
#include "storage/remote_device.h"
#include "storage/room.h"
#include "storage/state.h"

enum { THREADS_KEPT = 1000 };

static struct metric events_added =
	METRIC_COUNTER("belfry_events_added_total", "Events added to rooms by local users");

static struct metric events_accepted =
	METRIC_COUNTER("belfry_events_accepted_total", "Events of other servers that came into rooms");

/* --- callbacks on the writer's thread -------------------------------------------------------------------- */

static void end_pending(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	room->pending--;
	cond_broadcast(&room->changed);
	if (room->pending == 0 && !room->turn_taken) {
		cond_signal(&room->turn_free);
	}
}

static void tell_member(struct room_commit *commit, const struct state_step *step, int64_t position,
	struct str stripped)
{
	bool is_local_member =
		str_equals(step->type, STR("m.room.member")) && hs_is_local(commit->hs, step->state_key);
	if (is_local_member) {
		const struct room_observer *observer = &commit->hs->rooms->observer;
		observer->membership_committed(observer->self, commit->room, step->state_key,
			step->membership.p != NULL ? step->membership : STR("leave"), position, stripped);
	}
}

/* The entry of the state that an event sets. */
static struct state_step own_step(const struct event *event)
{
	bool is_member = str_equals(event->type, STR("m.room.member"));
	return (struct state_step){
		.type = event->type,
		.state_key = event->state_key.p != NULL ? event->state_key : STR(""),
		.event_id = event->event_id.s,
		.membership = is_member ? event_membership(event) : str_from(NULL, 0),
	};
}

static bool is_forked(const struct built_event *built)
{
	return built->standing != NULL && built->standing->is_forked;
}

static void tell_members(struct room_commit *commit, const struct built_event *built)
{
	int64_t position = built->stored->position;
	if (!is_forked(built)) {
		if (built->event->is_state) {
			const struct state_step step = own_step(built->event);
			tell_member(commit, &step, position, built->stripped);
		}
		return;
	}
	for (size_t i = 0; i < built->standing->step_count; i++) {
		const struct state_step *step = &built->standing->steps[i];
		tell_member(commit, step, position,
			step->event_position == 0 ? built->stripped : str_from(NULL, 0));
	}
}

static void apply(struct room_commit *commit, struct built_event *built)
{
	const struct event_standing *standing = built->standing;
	struct room_news news = {
		.event = built->stored,
		.is_forked = is_forked(built),
		.has_waiting = built->is_waiting,
	};
	if (standing != NULL) {
		news.steps = standing->steps;
		news.step_count = standing->step_count;
		news.has_gap = standing->missing_prev_count > 0;
		news.is_placed = standing->place != 0;
		if (standing->moved_from != 0 && built->event->is_state) {
			room_apply_move(commit->room, built->event->type, built->event->state_key,
				standing->moved_from, built->stored->position);
		}
	}
	if (standing != NULL && standing->moved_from != 0) {
		/* Who finds it by its id must not find it where it was. */
		room_cache_event(commit->hs, commit->room, built->stored, room_redactions(commit->room));
	}
	stored_event_ref(built->stored); /* room_apply takes this one, the request keeps its own */
	room_apply(commit->hs, commit->room, &news);
}

static bool is_remote(const struct room_commit *commit)
{
	return !hs_is_local(commit->hs, commit->events[0].event->sender.s);
}

static void commit_done(struct room_commit *commit, int64_t first_position)
{
	if (commit->successor != NULL) {
		room_commit_new_done(commit->successor, first_position);
	}
	for (size_t i = 0; i < commit->count; i++) {
		struct built_event *built = &commit->events[i];
		struct stored_event *stored = built->stored;
		stored->position = first_position + (int64_t)(commit->base + i);
		stored->room_nid = commit->room->nid;
		if (built->columns.replaces_index >= 0) {
			stored->replaces_position = first_position + built->columns.replaces_index;
		}
		apply(commit, built);
		if (built->redacted != NULL) {
			if (!stored_event_is_held(built->redacted)) {
				built->redacted->redacted_by = stored->position;
			}
			room_apply_redaction(commit->hs, commit->room, built->redacted);
			built->redacted = NULL;
		}
		for (size_t k = 0; k < built->released.n; k++) {
			stored_event_ref(built->released.p[k]);
			room_apply_redaction(commit->hs, commit->room, built->released.p[k]);
		}
		tell_members(commit, built);
	}
	metric_add(is_remote(commit) ? &events_accepted : &events_added, (int64_t)commit->count);
	end_pending(commit->room);
}

/* What the room is now is in the database only. */
static void commit_failed(struct room_commit *commit)
{
	struct room *room = commit->room;
	lock_take(&room->lock);
	room->is_stale = true;
	room_unload_locked(commit->hs->rooms, room);
	lock_give(&room->lock);
	/* What was an outlier here may have been judged by another process: it is looked up anew. */
	for (size_t i = 0; i < commit->count; i++) {
		const struct built_event *built = &commit->events[i];
		if (built->standing != NULL && built->standing->moved_from != 0) {
			room_uncache_event(commit->hs, room, built->event->event_id.s,
				built->standing->moved_from);
		}
	}
	end_pending(room);
}

void room_commit_new_done(struct room_commit *commit, int64_t first_position)
{
	const struct room_observer *observer = &commit->hs->rooms->observer;
	struct room *room = rooms_intern(commit->hs->rooms, commit->room->nid, commit->room->id.s,
		commit->room->version->id, first_position + (int64_t)(commit->base + commit->count) - 1, 0);
	for (size_t i = 0; i < commit->count; i++) {
		struct built_event *built = &commit->events[i];
		built->stored->position = first_position + (int64_t)(commit->base + i);
		built->stored->room_nid = room->nid;
		struct room_commit told = {.hs = commit->hs, .room = room};
		tell_members(&told, built);
	}
	observer->room_committed(observer->self, room);
	room_unref(room);
	metric_add(&events_added, (int64_t)commit->count);
}

/* --- rows --------------------------------------------------------------------------------------------------- */

void room_write_step(struct write *write, struct homeserver *hs, struct room *room,
	const struct state_step *step, struct str stripped, size_t index)
{
	bool is_member = str_equals(step->type, STR("m.room.member"));
	if (step->event_id.p == NULL) {
		store_state_end(write, room->nid, step->type, step->state_key, index);
	} else {
		const struct state_row row = {
			.type = step->type,
			.state_key = step->state_key,
			.event_id = step->event_id,
			.membership = step->membership,
		};
		store_state_change(write, room->nid, &row, index, step->event_position);
	}
	if (is_member) {
		struct str membership = step->membership.p != NULL ? step->membership : STR("leave");
		bool is_over = str_equals(membership, STR("leave")) || str_equals(membership, STR("ban"));
		const struct member_row member = {
			.user_id = step->state_key,
			.room_nid = room->nid,
			.membership = membership,
			.is_local = hs_is_local(hs, step->state_key),
			.is_forgotten = is_over && hs->settings.forgets_on_leave,
			.stripped = stripped,
		};
		store_member_set(write, &member, index);
		if (is_over) {
			store_remote_list_part(write, step->state_key, room->nid);
		}
	}
}

static void write_state(struct write *write, struct homeserver *hs, struct room *room,
	const struct built_event *built, size_t index)
{
	if (!is_forked(built)) {
		if (built->event->is_state) {
			const struct state_step step = own_step(built->event);
			room_write_step(write, hs, room, &step, built->stripped, index);
		}
		return;
	}
	for (size_t i = 0; i < built->standing->step_count; i++) {
		const struct state_step *step = &built->standing->steps[i];
		room_write_step(write, hs, room, step,
			step->event_position == 0 ? built->stripped : str_from(NULL, 0), index);
	}
}

/* What stands in the graph besides the event itself. */
static void write_standing(struct write *write, struct room *room, const struct built_event *built,
	size_t index)
{
	const struct event_standing *standing = built->standing;
	const struct event *event = built->event;
	if (standing == NULL) {
		return;
	}
	if (standing->moved_from != 0 && event->is_state) {
		store_state_event_move(write, room->nid, event->type, built->columns.state_key,
			event->event_id.s, db_position(index));
	}
	if (standing->difference.p != NULL) {
		store_event_state_insert(write, room->nid, db_position(index), db_position(index),
			standing->difference);
	}
	if (standing->closes_gap) {
		store_gap_close(write, room->nid, event->event_id.s);
	}
	bool is_placed = standing->place != 0;
	for (size_t i = 0; i < standing->missing_prev_count; i++) {
		store_gap_insert(write, room->nid,
			is_placed ? db_bigint(standing->place) : db_position(index),
			standing->missing_prev[i].s);
	}
	if (is_placed) {
		store_place_set(write, room->nid, db_position(index), standing->place);
	}
}

static void write_redactions(struct write *write, struct room *room,
	const struct built_event *built, size_t index)
{
	if (built->redacted != NULL) {
		const struct stored_event *redacted = built->redacted;
		store_event_redact(write, room->nid, redacted->event->event_id.s, redacted->event->raw,
			db_position(index));
	}
	if (built->is_waiting) {
		store_waiting_redaction_insert(write, room->nid, built->event->redacts, db_position(index));
	}
	if (built->is_held) {
		store_event_hold(write, room->nid, built->event->event_id.s, built->row.json);
	}
	for (size_t i = 0; i < built->released.n; i++) {
		const struct event *released = built->released.p[i]->event;
		store_event_release(write, room->nid, released->event_id.s, released->raw);
	}
	if (built->redacted_by != 0) {
		store_event_redact(write, room->nid, built->event->event_id.s, built->redacted_json,
			db_bigint(built->redacted_by));
		store_waiting_redaction_delete(write, room->nid, built->event->event_id.s);
	}
}

/* A redacted event relates to nothing, nor does one of which clients are not told, nor one whose parent's id no database takes. */
static bool relates(const struct built_event *built, struct relation *out)
{
	return built->redacted_by == 0 && !built->is_held &&
		relation_read(built->event->content, out) && out->rel_type.p != NULL &&
		!str_has_nul(out->event_id) && !str_has_nul(out->rel_type);
}

static void write_event(struct write *write, struct homeserver *hs, struct room *room,
	const struct built_event *built, size_t index)
{
	const struct event *event = built->event;
	if (built->standing != NULL && built->standing->moved_from != 0) {
		store_event_move(write, &built->row, &built->columns, db_position(index));
	} else {
		store_event_insert(write, &built->row, &built->columns, db_position(index));
	}
	write_state(write, hs, room, built, index);
	write_standing(write, room, built, index);
	write_redactions(write, room, built, index);
	struct relation relation;
	if (relates(built, &relation)) {
		store_relation_insert(write, room->nid, relation.event_id, db_position(index),
			relation.rel_type, event->type, event->sender.s);
	}
	for (size_t i = 0; i < built->mentioned_count; i++) {
		if (hs_is_local(hs, built->mentioned[i].s) && !str_has_nul(built->mentioned[i].s)) {
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
	TRY(room_any_event(ctx, hs, room, built->redacted->event->event_id.s, &target));
	struct relation relation;
	if (target != NULL && relation_read(target->event->content, &relation) &&
		relation.rel_type.p != NULL) {
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
	if (start->server_notices_for.p != NULL) {
		store_server_notice_room_claim(write, start->server_notices_for, row->room_nid);
	}
}

enum err room_write_rows(struct room_builder *builder, const struct room_start *start,
	struct write *write, size_t base)
{
	struct ctx *ctx = builder->ctx;
	struct homeserver *hs = builder->hs;
	struct room *room = builder->room;
	size_t last = base + builder->count - 1;
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
	if (start != NULL) {
		write_start(write, start, &row, last, clock_wall_ms(&hs->clock));
	} else {
		store_room_advance(write, &row, room->head.event_seq, last);
	}
	for (size_t i = 0; i < builder->count; i++) {
		struct built_event *built = &builder->events[i];
		built->row.room_nid = room->nid;
		if (built->columns.replaces_index >= 0) {
			built->columns.replaces_index += (int)base;
		}
		write_event(write, hs, room, built, base + i);
		TRY(write_unrelate(ctx, hs, room, write, built));
	}
	return ERR_OK;
}

/* --- the head --------------------------------------------------------------------------------------------- */

/* Whether everything is committed but what is being submitted now. */
static bool is_only_pending(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->pending == 1;
}

/* The head moves on at once, so that the next event is built on these. The caller has the turn; the write is pending. */
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

enum err room_write_successor(struct room_builder *old, const struct room_successor *successor,
	struct write *write, size_t base)
{
	struct room_builder *fresh = successor->builder;
	old->successor = ARENA_NEW(old->ctx->arena, struct room_commit);
	*old->successor = (struct room_commit){
		.hs = fresh->hs,
		.room = fresh->room,
		.events = fresh->events,
		.count = fresh->count,
		.base = base,
	};
	TRY(room_write_rows(fresh, successor->start, write, base));
	store_room_succeed(write, old->room->nid, fresh->room->nid);
	return ERR_OK;
}

/* --- submission ------------------------------------------------------------------------------------------------- */

static void give_turn(const struct room_commit *commit)
{
	if (commit->has_turn) {
		room_turn_give(commit->room);
	}
}

static void on_committed(void *data, int64_t first_position)
{
	const struct room_commit *commit = data;
	commit_done(data, first_position);
	give_turn(commit);
}

static void on_failed(void *data)
{
	const struct room_commit *commit = data;
	commit_failed(data);
	give_turn(commit);
}

void room_submit(struct room_builder *builder, struct write *write, size_t base)
{
	struct room_commit *commit = ARENA_NEW(builder->ctx->arena, struct room_commit);
	*commit = (struct room_commit){
		.hs = builder->hs,
		.room = builder->room,
		.events = builder->events,
		.count = builder->count,
		.base = base,
		.successor = builder->successor,
		.has_turn = builder->leaves_turn,
	};
	write_on_commit(write, on_committed, commit);
	write_on_failure(write, on_failed, commit);
	lock_take(&builder->room->lock);
	builder->room->pending++;
	lock_give(&builder->room->lock);
	advance_head(builder);
	writer_submit(builder->hs->writer, write);
}

bool room_changes_the_past(const struct room_builder *builder)
{
	for (size_t i = 0; i < builder->count; i++) {
		const struct built_event *built = &builder->events[i];
		if (built->event->is_state || built->redacted != NULL || built->standing != NULL ||
			built->is_waiting || built->redacted_by != 0) {
			return true;
		}
	}
	return false;
}
