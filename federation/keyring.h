/**
 * Signing keys of other servers: from memory, the database, the server itself, or a notary.
 * Spec: server-server API, "Retrieving server keys"; rooms/v5, "Signing key validity period"
 */
#ifndef BELFRY_FEDERATION_KEYRING_H
#define BELFRY_FEDERATION_KEYRING_H

#include "federation/federation.h"
#include "matrix/server_keys.h"

struct keyring;

struct keyring *keyring_create(struct federation *federation);
void keyring_destroy(struct keyring *keyring);

/**
 * A key that may sign requests now, or events of a time: asked for anew when what is known is too old.
 * @param at_ms  origin_server_ts of the event; 0: requests received now
 * Errors: MISSING (the server has no such key, cannot be asked, or it is not valid then); STORE
 * Cost: none for a key in memory; else a round trip, and perhaps requests to others. One request at a time for each server.
 */
MUST_CHECK enum err keyring_find(struct ctx *ctx, struct federation *federation,
	struct server_name server, struct str key_id, int64_t at_ms, const struct room_version *version,
	struct server_key *out);

/**
 * Whether events carry all signatures that they need (matrix/sign.h: event_required_signers). Keys of all servers
 * are fetched side by side first. out_valid[i] belongs to events[i].
 * Errors: STORE, TIMEOUT (nothing is decided then)
 */
MUST_CHECK enum err keyring_check_events(struct ctx *ctx, struct federation *federation,
	const struct event *const *events, size_t count, bool *out_valid);

/** Whether an object is signed by a server now (invites' and joins' answers, EDUs of cross-signing). Errors as above. */
MUST_CHECK enum err keyring_check_object(struct ctx *ctx, struct federation *federation,
	const struct json *object, struct server_name server, bool *out_valid);

#endif
