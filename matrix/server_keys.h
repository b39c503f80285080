/**
 * The signing keys that servers publish: our answer of /_matrix/key/v2/server, and the answers of
 * others, directly or by way of a notary.
 * Spec: server-server API, "Retrieving server keys"; rooms/v5, "Signing key validity period"
 */
#ifndef BELFRY_MATRIX_SERVER_KEYS_H
#define BELFRY_MATRIX_SERVER_KEYS_H

#include "matrix/event_build.h"

/** However far away `valid_until_ts` is, a key is not believed for longer than this after its fetch. */
#define SERVER_KEYS_MAX_LIFETIME_MS (INT64_C(7) * 24 * 3600 * 1000)

/** One key of a server. */
struct server_key {
	struct str key_id; /**< "ed25519:abc" */
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	bool is_old;        /**< from old_verify_keys: signs events only, and none after expired_ts */
	int64_t expired_ts; /**< milliseconds; when is_old */
	int64_t valid_until_ts; /**< milliseconds; when not is_old: already limited to 7 days */
};

/** A checked answer. */
struct server_keys {
	struct server_name server;
	int64_t valid_until_ts; /**< milliseconds; limited to 7 days after the fetch */
	const struct server_key *keys;
	size_t count; /**< at least one that is not old */
};

/** A key that this server used before. */
struct old_key {
	struct str key_id;
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	int64_t expired_ts; /**< milliseconds */
};

/**
 * Whether everybody knows the private part: no server may sign with such a key, and what is signed by one
 * proves nothing. Known failures of other homeservers: an installer made the same key everywhere (CVE-2026-24044).
 */
bool server_key_is_leaked(const unsigned char public_key[ED25519_PUBLIC_BYTES]);

/**
 * Our answer, signed.
 * @param valid_until_ts  milliseconds; more than an hour from now
 * @return                canonical JSON text, in the arena
 */
struct str server_keys_build(struct arena *arena, const struct event_signer *signer,
	int64_t valid_until_ts, const struct old_key *old_keys, size_t old_count);

/**
 * Reads an answer and checks that the server signed it by one of its current ed25519 keys. Keys of other
 * algorithms, malformed and leaked ones are left out.
 *
 * @param json         the answer of the server, or one entry of a notary's `server_keys`
 * @param server       whose keys were asked for
 * @param received_ts  now, milliseconds
 * @return             not allowed: "keys.shape", "keys.server_name", "keys.valid_until_ts",
 *                     "keys.verify_keys" (none that is usable), "keys.limit", "keys.signature"
 * Ownership: *out lies in the arena; texts view json.
 */
MUST_CHECK struct verdict server_keys_parse(struct arena *arena, const struct json *json,
	struct server_name server, int64_t received_ts, struct server_keys *out);

/** The key of that id, current or old; NULL when there is none. */
const struct server_key *server_keys_find(const struct server_keys *keys, struct str key_id);

/** Whether a request that is received at `now_ts` may be signed by the key. */
bool server_key_signs_requests(const struct server_key *key, int64_t now_ts);

/**
 * Whether the key counts for an event of that `origin_server_ts`: an old key only up to its end; a
 * current one up to valid_until_ts in versions that enforce it, always in the others.
 */
bool server_key_signs_event(const struct server_key *key, const struct room_version *version,
	int64_t origin_server_ts);

#endif
