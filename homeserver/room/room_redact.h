/**
 * Redactions: who may redact what, and what becomes of it. Spec: client-server API, "Redactions"; rooms/v3, "Handling redactions".
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_REDACT_H
#define BELFRY_HOMESERVER_ROOM_ROOM_REDACT_H

#include "homeserver/room/room.h"

/** Whether the event redacts another, which is named. */
bool room_is_redaction(const struct event *event);
/**
 * What a redaction names; *out NULL: it is unknown. While it is being committed it cannot be found, nor has it found this redaction: who
 * redacts what another server's client has just seen would miss it. Errors: STORE; TIMEOUT
 */
MUST_CHECK enum err room_redaction_target(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *redaction, struct stored_event **out);
/**
 * Whether a redaction redacts an event: its sender has the power, or is of the same server.
 * @param levels  power levels of the room, NULL: none
 * @param create  its create event, NULL: unknown
 */
bool room_may_redact(struct arena *arena, const struct event *redaction, const struct event *target,
	const struct event *levels, const struct event *create);
/** Whether a redaction of what has not come yet is held back from clients: where no auth rule says that it may redact. */
bool room_holds_back(const struct event *redaction);
/** A redaction that was held back, as one that is not. One reference for the caller. */
struct stored_event *room_released_form(struct arena *arena, const struct stored_event *redaction);
/** The redacted form of an event, `redacted_by` a position; one that is held back stays so. One reference for the caller. */
struct stored_event *room_redacted_form(struct arena *arena, const struct stored_event *target,
	int64_t redacted_by);
/** For struct event_row; no text unless both are known. */
struct str room_event_txn(struct arena *arena, struct str device, struct str id);

#endif
