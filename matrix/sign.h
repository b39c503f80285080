/**
 * Signing and verifying JSON objects and events; hashes of events.
 * Spec: appendices, "Signing JSON"; server-server API, "Signing Events", "Calculating the content hash", "… reference hash"
 */
#ifndef BELFRY_MATRIX_SIGN_H
#define BELFRY_MATRIX_SIGN_H

#include "base/crypto.h"
#include "matrix/event_build.h"

/** A copy of the object with our signature added to `signatures`; `unsigned` is kept and not signed. */
struct json sign_json(struct arena *arena, const struct json *object,
	const struct event_signer *signer);

/**
 * Checks one signature: `signatures[entity][key_id]`. False for absent, malformed or wrong ones, and for
 * key ids that are not of ed25519.
 * @param public_key  32 raw bytes
 */
MUST_CHECK bool sign_verify_json(struct arena *arena, const struct json *object, struct str entity,
	struct str key_id, struct str public_key);

/** SHA-256 of the canonical event without signatures, unsigned, hashes. */
void event_content_hash(struct arena *arena, const struct json *event,
	unsigned char out[SHA256_BYTES]);

/**
 * Whether hashes.sha256 is the content hash.
 * @param event  `json` of a parsed event: an `event_id` that came along from version 3 on is no part of it
 */
MUST_CHECK bool event_hash_is_valid(struct arena *arena, const struct json *event);

/** SHA-256 of the redacted event without signatures and unsigned (versions ≥ 3: the event id). */
void event_reference_hash(struct arena *arena, const struct room_version *version,
	const struct json *event, unsigned char out[SHA256_BYTES]);

/** A copy with the signature over the redacted form added. */
struct json event_sign(struct arena *arena, const struct room_version *version,
	const struct json *event, const struct event_signer *signer);

/**
 * Checks one server's signature over the redacted form.
 * @param event       `json` of a parsed event, as for event_hash_is_valid()
 * @param public_key  32 raw bytes
 */
MUST_CHECK bool event_verify(struct arena *arena, const struct room_version *version,
	const struct json *event, struct str server, struct str key_id, struct str public_key);

/** A server that has to have signed an event. */
struct required_signer {
	struct server_name server;
};
/**
 * Which servers' signatures an event needs: sender's server; versions 1–2 the event id's server; membership events
 * that name join_authorised_via_users_server, where the version has restricted joins, that user's server; third-party
 * invites are exempt from the sender's rule as the spec says. A name stands once.
 * @return number of entries in *out (in the arena); 0 for a third-party invite of version 3 and later
 */
size_t event_required_signers(struct arena *arena, const struct event *event,
	struct required_signer **out);

#endif
