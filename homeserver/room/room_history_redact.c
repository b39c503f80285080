/*
 * Redactions in what comes into the timeline from before: they redact, and those that came before what they redact, too.
 */
#include "homeserver/room/room_history.h"
#include "homeserver/room/room_redact.h"
#include "matrix/relation.h"
#include "storage/search.h"

static enum err may_redact(struct history *history, const struct event *redaction,
	const struct event *target, bool *out)
{
	struct stored_event *levels;
	struct stored_event *create;
	TRY(room_state_event(history->ctx, history->hs, history->room, STR("m.room.power_levels"),
		STR(""), POSITION_NOW, &levels));
	TRY(room_state_event(history->ctx, history->hs, history->room, STR("m.room.create"), STR(""),
		POSITION_NOW, &create));
	*out = room_may_redact(history->ctx->arena, redaction, target,
		levels != NULL ? levels->event : NULL, create != NULL ? create->event : NULL);
	return ERR_OK;
}

/* Replaces the text of an event of these or of the timeline, unless it is redacted already or the redaction may not. */
static enum err redact(struct history *history, struct write *write, const struct event *redaction,
	int64_t position, const struct stored_event *target)
{
	struct arena *arena = history->ctx->arena;
	int64_t nid = history->room->nid;
	struct past_event *past = history_event(history, target->event->event_id.s);
	bool is_allowed = false;
	bool is_redacted = target->redacted_by != 0 || (past != NULL && past->is_redacted);
	if (!is_redacted) {
		TRY(may_redact(history, redaction, target->event, &is_allowed));
	}
	if (!is_allowed) {
		return ERR_OK;
	}
	struct stored_event *form = room_redacted_form(arena, target, position);
	store_event_redact(write, nid, form->event->event_id.s, form->event->raw, db_bigint(position));
	stored_event_until_reset(arena, form); /* the writer reads its text */
	if (past != NULL) {
		past->is_redacted = true; /* it is read anew from its new place */
		return ERR_OK;
	}
	struct relation relation;
	if (relation_read(target->event->content, &relation) && relation.rel_type.p != NULL) {
		store_relation_delete(write, nid, relation.event_id, target->position);
	}
	store_search_forget(write, nid, target->position);
	VEC_PUSH(arena, &history->redacted, form);
	return ERR_OK;
}

/* What one of these events redacts. */
static enum err redact_by(struct history *history, struct write *write,
	const struct past_event *past)
{
	const struct event *event = past->event;
	if (!room_is_redaction(event) || str_has_nul(event->redacts)) {
		return ERR_OK;
	}
	struct stored_event *target;
	TRY(room_any_event(history->ctx, history->hs, history->room, event->redacts, &target));
	if (target == NULL) {
		store_waiting_redaction_insert(write, history->room->nid, event->redacts,
			db_bigint(past->position));
		return ERR_OK;
	}
	return redact(history, write, event, past->position, target);
}

/* A redaction that came before one of these events. */
static enum err redact_waiting(struct history *history, struct write *write,
	const struct past_event *past)
{
	struct ctx *ctx = history->ctx;
	int64_t nid = history->room->nid;
	int64_t *positions;
	size_t count;
	struct stored_event **redactions;
	struct stored_event *target;
	TRY(store_waiting_redactions(ctx, history->hs->db, nid, past->event->event_id.s, &positions,
		&count));
	if (count == 0) {
		return ERR_OK;
	}
	TRY(room_events_at(ctx, history->hs, history->room, positions, count, &redactions));
	TRY(room_any_event(ctx, history->hs, history->room, past->event->event_id.s, &target));
	for (size_t i = 0; i < count && target != NULL; i++) {
		if (redactions[i] != NULL) {
			TRY(redact(history, write, redactions[i]->event, positions[i], target));
		}
	}
	store_waiting_redaction_delete(write, nid, past->event->event_id.s);
	return ERR_OK;
}

enum err history_redact(struct history *history, struct write *write)
{
	struct room *room = history->room;
	lock_take(&room->lock);
	bool has_waiting = room->content == NULL || room->content->graph.has_waiting;
	lock_give(&room->lock);
	for (size_t i = history->events.n; i > 0; i--) { /* the oldest first, as they would have come */
		TRY(redact_by(history, write, &history->events.p[i - 1]));
		if (has_waiting) {
			TRY(redact_waiting(history, write, &history->events.p[i - 1]));
		}
	}
	return ERR_OK;
}
