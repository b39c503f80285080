/*
 * What redactions do, the same for events that are new and for those that are fetched later.
 */
#include "homeserver/room/room_redact.h"

#include "homeserver/room/room_accept.h"
#include "matrix/canonical.h"
#include "matrix/power.h"
#include "matrix/redact.h"

bool room_is_redaction(const struct event *event)
{
	return event->redacts.p != NULL && !event->is_state &&
		str_equals(event->type, STR("m.room.redaction"));
}

static bool is_committing(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room->pending > 0;
}

enum err room_redaction_target(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *redaction, struct stored_event **out)
{
	bool was_committing = is_committing(room);
	TRY(room_any_event(ctx, hs, room, redaction->redacts, out));
	if (*out != NULL || !was_committing) {
		return ERR_OK;
	}
	TRY(room_settle(ctx, hs, room));
	return room_any_event(ctx, hs, room, redaction->redacts, out);
}

bool room_may_redact(struct arena *arena, const struct event *redaction, const struct event *target,
	const struct event *levels, const struct event *create)
{
	struct state_map map;
	state_map_init(&map, arena);
	if (levels != NULL) {
		(void)state_map_put(&map, levels);
	}
	if (create != NULL) {
		(void)state_map_put(&map, create);
	}
	struct state_view view = state_map_view(&map);
	return server_name_equals(user_id_server(redaction->sender), user_id_server(target->sender)) ||
		power_of_user(redaction->version, &view, redaction->sender) >=
		power_for_action(redaction->version, &view, POWER_REDACT);
}

struct str room_event_txn(struct arena *arena, struct str device, struct str id)
{
	return device.p != NULL && id.p != NULL
		? str_printf(arena, "%.*s%c%.*s", STR_ARG(device), EVENT_TXN_SEPARATOR, STR_ARG(id))
		: str_from(NULL, 0);
}

bool room_holds_back(const struct event *redaction)
{
	return !redaction->version->redaction_needs_power_or_origin;
}

/* The same event with another text. */
static struct stored_event *with_text(struct arena *arena, const struct stored_event *from,
	struct str json, int64_t redacted_by)
{
	const struct event *event = from->event;
	struct event_row row = {
		.room_nid = from->room_nid,
		.position = from->position,
		.event_id = event->event_id.s,
		.json = json,
		.replaces_position = from->replaces_position,
		.thread_root = from->thread_root,
		.txn = room_event_txn(arena, from->txn_device, from->txn_id),
		.notify_seq = from->notify_seq,
		.highlight_seq = from->highlight_seq,
		.redacted_by = redacted_by,
		.fate = from->fate,
	};
	return stored_event_create(event->version, event->room_id.s, &row);
}

struct stored_event *room_released_form(struct arena *arena, const struct stored_event *redaction)
{
	return with_text(arena, redaction, redaction->event->raw, 0);
}

struct stored_event *room_redacted_form(struct arena *arena, const struct stored_event *target,
	int64_t redacted_by)
{
	const struct event *event = target->event;
	struct json redacted = redact_event(arena, event->version, event_json(arena, event));
	return with_text(arena, target, canonical_text(arena, &redacted),
		stored_event_is_held(target) ? EVENT_HELD_BACK : redacted_by);
}
