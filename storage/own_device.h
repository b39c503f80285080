/**
 * Devices that the server itself runs. What is secret comes and goes sealed (e2ee/vault.h). Whoever changes what belongs to such a
 * device does so in a transaction that begins with store_own_device_lock().
 */
#ifndef BELFRY_STORAGE_OWN_DEVICE_H
#define BELFRY_STORAGE_OWN_DEVICE_H

#include "storage/db.h"

struct own_device_row {
	struct str device_id;
	struct str account;    /**< sealed */
	struct str cross_keys; /**< sealed; p == NULL: none were made */
};
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_own_device_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct own_device_row *out);
/** The device's row in `devices` is there already. Errors: CONFLICT (no fault text) when the user has one; STORE. */
MUST_CHECK enum err store_own_device_insert(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id, struct str account);
/** Until the transaction ends nobody else changes anything of it. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_own_device_lock(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct own_device_row *out);
MUST_CHECK enum err store_own_device_set_account(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str account);
/** The users who have one, sorted. */
MUST_CHECK enum err store_own_device_all(struct ctx *ctx, struct db *db, struct str **out,
	size_t *out_count);
/** Those that are there stay. */
MUST_CHECK enum err store_own_cross_keys_insert(struct ctx *ctx, struct db *db, struct str user_id,
	struct str seeds);

/* --- Olm sessions ------------------------------------------------------------------------------------------- */

struct own_session_row {
	struct str peer_key; /**< Curve25519 */
	struct str session_id;
	struct str peer_user;
	struct str run;     /**< in which it began; empty: nobody sends with it */
	int64_t used_at_ms; /**< written only; 0: nothing came by it */
	struct str state;   /**< sealed */
};
/** Sessions with devices, by their keys; of one device's the one used last comes first. One round trip. */
MUST_CHECK enum err store_own_session_list(struct ctx *ctx, struct db *db, struct str user_id,
	const struct str *peer_keys, size_t count, struct own_session_row **out, size_t *out_count);
/** The same within a transaction. */
MUST_CHECK enum err store_own_session_list_in(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct str *peer_keys, size_t count, struct own_session_row **out, size_t *out_count);
/** Adds or changes sessions, each once: those with a time are the ones used last, whatever it says. One round trip. */
MUST_CHECK enum err store_own_session_set(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct own_session_row *rows, size_t count);
/** How many sessions of one device, and of all devices of one user, stay. */
struct own_session_limits {
	int64_t of_device;
	int64_t of_user;
};
/** With the devices and users of these rows, the sessions used last stay. */
MUST_CHECK enum err store_own_session_trim(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct own_session_row *of, size_t count, const struct own_session_limits *limits);
/** Nothing more is sent with the sessions with a device of this user. */
MUST_CHECK enum err store_own_session_forget(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str peer_key, struct str peer_user);

/** Notes that the session with a device is renewed, unless it was since `since_ms`. */
MUST_CHECK enum err store_own_peer_renew(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str peer_key, int64_t now_ms, int64_t since_ms, bool *out_may);
/** Notes that devices are told that there is no session. @param out  those that were not told before */
MUST_CHECK enum err store_own_peer_tell(struct ctx *ctx, struct db *db, struct str user_id,
	const struct str *peer_keys, size_t count, struct str **out, size_t *out_count);

/* --- what comes ---------------------------------------------------------------------------------------------- */

struct own_message_row {
	struct str user_id;
	struct str device_id;
	int64_t position;
	struct str message; /**< JSON as in /sync: content, sender, type */
};
/** Messages to own devices up to a position, the oldest first. One round trip. */
MUST_CHECK enum err store_own_message_next(struct ctx *ctx, struct db *db, int64_t up_to,
	int64_t limit, struct own_message_row **out, size_t *out_count);
MUST_CHECK enum err store_own_message_delete(struct ctx *ctx, struct tx *tx,
	const struct own_message_row *row);

/** Whether the user is in the room, or invited. */
MUST_CHECK enum err store_own_room_is_in(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str room_id, bool *out);

struct own_room_key_row {
	struct str session_id;
	struct str room_id;
	struct str sender;
	struct str sender_key;     /**< Curve25519 of the device that gave it */
	struct str sender_ed25519; /**< as it says */
	int64_t received_at_ms;    /**< written only */
	struct str state;          /**< sealed */
};
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_own_room_key_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct str session_id, struct own_room_key_row *out);
/** The same within a transaction. */
MUST_CHECK enum err store_own_room_key_find_in(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str session_id, struct own_room_key_row *out);
/** Adds it, or changes the state of the one that is there. Of the sender's, the newest `kept` stay besides. */
MUST_CHECK enum err store_own_room_key_set(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct own_room_key_row *row, int64_t kept);
/** @param out_event_id  the event that has this index of the session: this one, if none had. Errors: MISSING (the session is gone); STORE. */
MUST_CHECK enum err store_own_room_message_add(struct ctx *ctx, struct db *db, struct str user_id,
	struct str session_id, int64_t message_index, struct str event_id, struct str *out_event_id);

#endif
