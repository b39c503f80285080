/**
 * A new event of this server: from what a user wants to the signed PDU.
 */
#ifndef BELFRY_MATRIX_EVENT_BUILD_H
#define BELFRY_MATRIX_EVENT_BUILD_H

#include "base/crypto.h"
#include "matrix/event.h"

/** What the user wants, and where it is put. */
struct event_intent {
	const struct room_version *version;
	struct room_id room_id; /**< s.p == NULL for the create event of version 12 */
	struct user_id sender;
	struct str type;
	bool is_state;
	struct str state_key;
	const struct json *content; /**< object */
	struct str redacts;         /**< of a m.room.redaction; p == NULL: none */
	int64_t origin_server_ts;
	int64_t depth;
	const struct event_id *prev_events;
	size_t prev_count;
	const struct event_id *auth_events;
	size_t auth_count;
	/** Versions 1 and 2: event_reference_text() of prev_events, in their order; p == NULL where it is not known. NULL: nowhere. */
	const struct str *prev_hashes;
	const struct str *auth_hashes; /**< the same of auth_events */
	struct str explicit_event_id;  /**< versions 1 and 2: "$opaque:server"; else empty */
	bool names_origin; /**< it says `origin`, as the specification's example of an invite does */
};

/** Who signs. */
struct event_signer {
	struct server_name server;
	struct str key_id; /**< "ed25519:abc" */
	const struct ed25519_key *key;
};

/**
 * Assembles, hashes and signs. In versions 1 and 2 the [id, hashes] pairs carry {} where the hash is not known
 * (accepted everywhere). `redacts` goes where the version has it: into the event or its content.
 *
 * @param out  in the arena; views the texts and values of the intent
 * @return     not allowed when the result breaks a limit: "event.size…" (too large), "event.canonical" (floats or
 *             large integers in a strict version), "event.nesting", "event.<key>", as event_parse()
 * Cost: one pass over the content, two hashes, one signature
 */
MUST_CHECK struct verdict event_build(struct arena *arena, const struct event_intent *intent,
	const struct event_signer *signer, struct event **out);

/**
 * What others carry beside an event's id when they refer to it, in versions 1 and 2: its reference hash, unpadded base64.
 * @return  p == NULL in later versions, whose ids are the hashes
 * Cost: nothing in later versions; else one hash of the redacted form
 * Spec: rooms/v1, "Event format"
 */
struct str event_reference_text(struct arena *arena, const struct event *event);

#endif
