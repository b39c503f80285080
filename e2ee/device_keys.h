/**
 * Keys of devices: /keys/upload, /keys/query, /keys/changes.
 * Spec: client-server API, "Key management API"
 */
#ifndef BELFRY_E2EE_DEVICE_KEYS_H
#define BELFRY_E2EE_DEVICE_KEYS_H

#include "e2ee/e2ee.h"

/** A body of /keys/upload; what is absent is NULL. */
struct keys_upload {
	const struct json *device_keys;
	const struct json *one_time_keys;
	const struct json *fallback_keys;
};
/**
 * Checks and stores a device's keys. Identity keys that are new are told to those who share a room.
 *
 * @param out_counts  JSON object of what is unclaimed, in the arena
 * Errors: INPUT M_INVALID_PARAM, M_INVALID_SIGNATURE (nothing of the faulty part is stored); DENIED 401 M_UNKNOWN_TOKEN when
 * the device has ended meanwhile; STORE
 * Cost: a round trip for each part, or for the counts when there are no one-time keys; one before them for what is known of the device, unless
 * one-time keys come alone and its identity is in memory; and a commit for new identity keys.
 */
MUST_CHECK enum err device_keys_upload(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, const struct keys_upload *upload, struct str *out_counts);

/** Who asks for which keys. */
struct keys_ask {
	/** Local user; p == NULL: another server, for which only users of this one are looked up. */
	struct str viewer;
	const struct json *wanted; /**< object: user id → list of device ids; an empty one means all */
	int64_t timeout_ms;        /**< that other servers get */
};
/** Everything that answers a key query. Lives in the arena. */
struct keys_found {
	struct str viewer;
	const struct json *wanted; /**< object: user id → list of device ids; an empty one means all */
	struct stored_key *keys;   /**< of local users, sorted by user, then kind */
	size_t key_n;
	struct e2ee_remote_ask *remote;
	size_t remote_n;
};
/**
 * Looks up keys of users.
 * Errors: INPUT M_BAD_JSON; STORE
 * Cost: one round trip for all local users.
 */
MUST_CHECK enum err device_keys_query(struct ctx *ctx, struct homeserver *hs,
	const struct keys_ask *ask, struct keys_found *out);
/**
 * Writes the whole answer. Another server gets no user-signing keys, no signatures but those of the keys' owners, and names of
 * devices only if the configuration says so.
 */
void device_keys_write(const struct keys_found *found, struct arena *arena,
	const struct homeserver *hs, struct json_out *out);

/**
 * Writes the answer to another server that wants all devices of a local user: {"user_id":…,"stream_id":…,"devices":[…],…}. A user
 * who is unknown looks like one without devices. `stream_id` is the position of the newest change.
 * @param with_keyless  devices without keys too; the answer to a question has none (its schema requires `keys`), updates may
 * Cost: two round trips, with devices without keys three. Errors: STORE
 * Spec: server-server API, "Device Management"
 */
MUST_CHECK enum err device_keys_write_list(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, bool with_keyless, struct json_out *out);

#endif
