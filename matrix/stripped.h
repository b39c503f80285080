/**
 * Stripped state: the few state events by which somebody outside of a room recognises it (invites,
 * knocks, previews), each with only `content`, `sender`, `state_key` and `type`. Among servers the same
 * events travel whole, as PDUs (since v1.16).
 * Spec: client-server API, "Stripped state"; server-server API, "Inviting to a room"
 */
#ifndef BELFRY_MATRIX_STRIPPED_H
#define BELFRY_MATRIX_STRIPPED_H

#include "matrix/event.h"

/** Types of the state events (with empty state key) that belong into it, m.room.create first. Static. */
const struct str *stripped_state_types(size_t *out_count);

/**
 * For clients: a JSON array of stripped events, in the given order.
 * @param events  state events, usually those of stripped_state_types(), then the member events concerned
 */
struct str stripped_state_text(struct arena *arena, const struct event *const *events,
	size_t count);

/** For other servers: a JSON array of the whole PDUs (`invite_room_state`, `knock_room_state`). */
struct str stripped_state_pdus(struct arena *arena, const struct event *const *events,
	size_t count);

/**
 * What another server sent, made fit for clients: a JSON array of stripped events. Entries that are no
 * state events, and keys beyond the four, are left out; of entries with the same type and state key the
 * first stays. Never fails, whatever the shape.
 *
 * @param received  `invite_room_state`, `knock_room_state` (PDUs or stripped events); may be NULL
 */
struct str stripped_state_prune(struct arena *arena, const struct json *received);

/**
 * Reads such a text again, of stripped events or of PDUs: the one list is a level more than an event may have.
 * @param out  JSON_ARRAY; views the text
 * @return false when it is no list
 */
MUST_CHECK bool stripped_state_read(struct arena *arena, struct str text, struct json *out);

/** What is wrong with the state that came with an invite or knock. */
enum stripped_fault {
	STRIPPED_OK,
	STRIPPED_NO_CREATE,  /**< there is no m.room.create */
	STRIPPED_NO_PDU,     /**< an entry is not in the format of the room version */
	STRIPPED_OTHER_ROOM, /**< an event of another room */
};

/**
 * Checks `invite_room_state` as v1.16 asks for it: all entries are PDUs of the room, the create event is
 * there. Versions before 12 may be treated leniently. Signatures are the caller's to check, on `*out`.
 *
 * @param received   may be NULL
 * @param out        the events, in the arena; written on STRIPPED_OK
 */
MUST_CHECK enum stripped_fault stripped_state_check(struct arena *arena,
	const struct room_version *version, struct room_id room_id, const struct json *received,
	struct event ***out, size_t *out_count);

#endif
