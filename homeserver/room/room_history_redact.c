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

/*
 * Replaces the text of an event of these or of the timeline, unless it is redacted already or the redaction may not.
 * @param out_is_allowed  whether it may
 */
static enum err redact(struct history *history, struct write *write, const struct event *redaction,
	int64_t position, const struct stored_event *target, bool *out_is_allowed)
{
	struct arena *arena = history->ctx->arena;
	int64_t nid = history->room->nid;
	struct past_event *past = history_event(history, target->event->event_id.s);
	bool is_redacted = stored_event_is_redacted(target) || (past != NULL && past->is_redacted);
	TRY(may_redact(history, redaction, target->event, out_is_allowed));
	if (is_redacted || !*out_is_allowed) {
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

static bool redacts(const struct event *event)
{
	return room_is_redaction(event) && !str_has_nul(event->redacts);
}

static enum err look_up_redacted(struct history *history, struct map *out)
{
	VEC(struct event_id) ids = {0};
	for (size_t i = 0; i < history->events.n; i++) {
		const struct event *event = history->events.p[i].event;
		if (redacts(event)) {
			const struct event_id id = {event->redacts};
			VEC_PUSH(history->ctx->arena, &ids, id);
		}
	}
	return history_look_up(history, ids.p, ids.n, out);
}

/* What one of these events redacts. @param known  what look_up_redacted() found */
static enum err redact_by(struct history *history, struct write *write, struct past_event *past,
	const struct map *known)
{
	const struct event *event = past->event;
	if (!redacts(event)) {
		return ERR_OK;
	}
	const struct known_event *target = map_get(known, event->redacts);
	if (target->event == NULL) {
		store_waiting_redaction_insert(write, history->room->nid, event->redacts,
			db_bigint(past->position));
		past->is_held = room_holds_back(event);
		if (past->is_held) {
			store_event_hold(write, history->room->nid, event->event_id.s, event->raw);
		}
		return ERR_OK;
	}
	bool is_allowed;
	return redact(history, write, event, past->position, target->stored, &is_allowed);
}

/* Clients are told of a redaction that came before what it redacts. */
static void release(struct history *history, struct write *write, const struct stored_event *held)
{
	struct stored_event *form = room_released_form(history->ctx->arena, held);
	stored_event_until_reset(history->ctx->arena, form); /* the writer reads its text */
	store_event_release(write, history->room->nid, form->event->event_id.s, form->event->raw);
	VEC_PUSH(history->ctx->arena, &history->redacted, form);
}

/* Redactions that came before one of these events. */
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
		bool is_allowed = false;
		if (redactions[i] != NULL) {
			TRY(redact(history, write, redactions[i]->event, positions[i], target, &is_allowed));
		}
		if (is_allowed && stored_event_is_held(redactions[i])) {
			release(history, write, redactions[i]);
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
	struct map known CLEANUP(map_fini) = {0};
	TRY(look_up_redacted(history, &known));
	for (size_t i = history->events.n; i > 0; i--) { /* the oldest first, as they would have come */
		TRY(redact_by(history, write, &history->events.p[i - 1], &known));
		if (has_waiting) {
			TRY(redact_waiting(history, write, &history->events.p[i - 1]));
		}
	}
	return ERR_OK;
}
