/*
 * What is done with events that were built: their rows in a write, and what follows when it was committed, or was not.
 */
#include "homeserver/room/room_write.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "matrix/relation.h"
#include "storage/alias.h"
#include "storage/notice.h"
#include "storage/event.h"
#include "storage/room.h"
#include "storage/state.h"

enum { THREADS_KEPT = 1000 };

static struct metric events_added =
	METRIC_COUNTER("belfry_events_added_total", "Events added to rooms by local users");

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

void room_commit_done(struct room_commit *commit, int64_t first_position)
{
	for (size_t i = 0; i < commit->count; i++) {
		struct built_event *built = &commit->events[i];
		struct stored_event *stored = built->stored;
		stored->position = first_position + (int64_t)(commit->base + i);
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
	metric_add(&events_added, (int64_t)commit->count);
	end_pending(commit->room);
}

/* What the room is now is in the database only. */
void room_commit_failed(struct room_commit *commit)
{
	struct room *room = commit->room;
	lock_take(&room->lock);
	room->is_stale = true;
	room_unload_locked(commit->hs->rooms, room);
	lock_give(&room->lock);
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
		tell_member(&told, built);
	}
	observer->room_committed(observer->self, room);
	room_unref(room);
	metric_add(&events_added, (int64_t)commit->count);
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
		bool is_over =
			str_equals(row.membership, STR("leave")) || str_equals(row.membership, STR("ban"));
		struct member_row member = {
			.user_id = event->state_key,
			.room_nid = room->nid,
			.membership = row.membership,
			.is_local = hs_is_local(hs, event->state_key),
			.is_forgotten = is_over && hs->settings.forgets_on_leave,
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
	if (start->notices_for.p != NULL) {
		store_notice_room_claim(write, start->notices_for, row->room_nid);
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

void room_head_advance(struct room_builder *builder)
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
