/**
 * Signing keys of other servers: from memory, the database, the server itself, or a notary.
 *
 * What is known of a server is a set of keys that never changes; a newer one takes its place. Each server is asked once at
 * a time, whoever waits for it, and not again for some seconds after it answered, longer after it failed. Keys that a
 * server does not publish any more are kept: events may be signed by them.
 * Spec: server-server API, "Retrieving server keys"; rooms/v5, "Signing key validity period"
 */
#ifndef BELFRY_FEDERATION_KEYRING_H
#define BELFRY_FEDERATION_KEYRING_H

#include "federation/federation.h"
#include "matrix/server_keys.h"

struct keyring;

struct keyring *keyring_create(struct federation *federation);
/** After the HTTP client has stopped. */
void keyring_destroy(struct keyring *keyring);

/**
 * A key that may sign requests now, of a request that is being authenticated: asked for anew when what is known is too old, without a thread
 * meanwhile.
 * @param out        its text is in the ctx's arena
 * @param out_waits  the call is parked: nothing is in *out, the call comes again
 * Errors: MISSING (the server has no such key, cannot be asked, or it is not valid now; no fault text); STORE; SHUTDOWN
 * Cost: none for a key in memory; else a round trip, and perhaps requests to others. One request at a time for each server.
 */
MUST_CHECK enum err keyring_find_for_call(struct call *call, struct federation *federation,
	struct server_name server, struct str key_id, struct server_key *out, bool *out_waits);

enum signed_state {
	SIGNED_NOT, /**< a signature is missing or wrong, or made by a key that its server does not have */
	SIGNED,
	SIGNED_UNKNOWN, /**< nobody could be asked for a key that it needs: later, perhaps */
};
/**
 * Whether events carry all signatures that they need (matrix/sign.h: event_required_signers). Keys of all servers
 * are fetched side by side first; many events are checked by several processors. out[i] belongs to events[i].
 * Errors: STORE, TIMEOUT, SHUTDOWN (nothing is decided then)
 */
MUST_CHECK enum err keyring_check_events(struct ctx *ctx, struct federation *federation,
	const struct event *const *events, size_t count, enum signed_state *out);

/** Whether an object is signed by a server now (invites' and joins' answers, EDUs of cross-signing). Errors as above. */
MUST_CHECK enum err keyring_check_object(struct ctx *ctx, struct federation *federation,
	const struct json *object, struct server_name server, bool *out_valid);

/**
 * Sees to it that the newest answers of servers are known whose keys hold until a time at least, as far as they can be asked; for
 * notaries. The answers are in the database then.
 * Errors: STORE, TIMEOUT, SHUTDOWN
 */
MUST_CHECK enum err keyring_refresh(struct ctx *ctx, struct federation *federation,
	const struct server_name *servers, const int64_t *until_ms, size_t count);

/** For the housekeeper, now and then: of made-up servers' keys no more are kept than fit. Errors: STORE */
MUST_CHECK enum err keyring_tidy(struct ctx *ctx, struct homeserver *hs);

#endif
