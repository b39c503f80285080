/**
 * Devices and cross-signing keys of users of other servers, kept here for those who share a room with somebody of this server, and kept
 * up to date by what their servers tell. Key queries are answered from here without asking anybody.
 *
 * A list becomes known when it is first asked for (remote_devices_refresh()). From then on changes are applied in their order; where one
 * was missed, the list is fetched anew, and not used until that has been done.
 * Spec: server-server API, "Device Management", "End-to-End Encryption"
 */
#ifndef BELFRY_FEDERATION_REMOTE_DEVICES_H
#define BELFRY_FEDERATION_REMOTE_DEVICES_H

#include "federation/federation.h"

enum { REMOTE_DEVICES_MAX = 1000 /**< of one user; further ones are left out */ };

/** What is known of a user. In the ctx's arena. */
struct remote_keys {
	struct str user_id;
	bool shares;   /**< a room with somebody here; else nothing is kept of the user */
	bool is_known; /**< what follows is up to date */
	/** Object: device id → keys as signed, with `unsigned.device_display_name`; devices without keys are left out. */
	struct json devices;
	struct json master_key;       /**< JSON_NULL: none */
	struct json self_signing_key; /**< the same */
};

/**
 * What is known of users, without asking other servers. out[i] belongs to user_ids[i].
 * Errors: STORE     Cost: three round trips for all together.
 */
MUST_CHECK enum err remote_devices_find(struct ctx *ctx, struct federation *federation,
	const struct str *user_ids, size_t count, struct remote_keys *out);

/**
 * Asks a user's server for all devices. They are kept if the user shares a room with somebody here; clients are told nothing.
 * Errors: as fed_ask(); REMOTE when the answer is not of the user; STORE
 */
MUST_CHECK enum err remote_devices_refresh(struct ctx *ctx, struct federation *federation,
	struct user_id user, int64_t timeout_ms);

/** An m.device_list_update. */
struct remote_device_update {
	struct user_id user;
	struct str device_id;
	struct str display_name; /**< p == NULL: none */
	int64_t stream_id;
	const struct json *prev_ids; /**< array, or NULL */
	bool is_deleted;
	const struct json *keys; /**< object, or NULL */
	bool may_wait;           /**< the thread may ask the user's server */
};
/**
 * Applies a change, and tells clients. Nothing happens for users with whom nobody here shares a room.
 * Errors: DEFER (changes were missed, and the thread may not ask); STORE, SHUTDOWN
 */
MUST_CHECK enum err remote_devices_update(struct ctx *ctx, struct federation *federation,
	const struct remote_device_update *update);

/** An m.signing_key_update: keys that are NULL stay as they are. Errors: STORE */
MUST_CHECK enum err remote_devices_set_cross_keys(struct ctx *ctx, struct federation *federation,
	struct user_id user, const struct json *master_key, const struct json *self_signing_key);

#endif
