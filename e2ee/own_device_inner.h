/**
 * Inside of own devices: what own_device.c, own_keys.c, own_sessions.c, room_cipher.c and own_inbox.c share.
 */
#ifndef BELFRY_E2EE_OWN_DEVICE_INNER_H
#define BELFRY_E2EE_OWN_DEVICE_INNER_H

#include "base/lock.h"
#include "base/map.h"
#include "e2ee/own_device.h"
#include "e2ee/peer_devices.h"
#include "matrix/json_make.h"
#include "storage/own_device.h"

enum {
	OWN_ASK_OTHERS_MS = 10 * 1000, /**< that other servers get for keys */
};

#define OLM_ALGORITHM STR("m.olm.v1.curve25519-aes-sha2")
#define MEGOLM_ALGORITHM STR("m.megolm.v1.aes-sha2")

struct own_devices {
	struct str run;   /**< of this process; heap */
	struct lock lock; /**< guards all below */
	struct cond changed;
	struct map published; /**< user id, NUL, device id → itself: the keys are known to be there */
	struct map
		ciphers; /**< user id, NUL, device id, NUL, room id → struct room_cipher * (room_cipher_inner.h) */
};
void room_ciphers_destroy(struct own_devices *own);

/** Several texts, NUL between them. In the arena. */
struct str own_key_of(struct arena *arena, const struct str *parts, size_t count);

/* --- own_device.c ------------------------------------------------------------------------------------------ */

/** For functions that act as a user of the device. */
struct principal own_principal(const struct own_device *device);
/** The account of a row. The caller destroys it. Errors: INTERNAL; STORE. */
MUST_CHECK enum err own_account_open(struct ctx *ctx, const struct homeserver *hs,
	struct str user_id, const struct own_device_row *row, struct ratchet_account **out);
/** Within a transaction that has locked the device. */
MUST_CHECK enum err own_account_save(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	struct str user_id, struct ratchet_account *account);
/**
 * Begins a transaction and locks the device.
 * Errors: MISSING (no fault text) when the device is gone, or is another one by now; INTERNAL; STORE
 */
MUST_CHECK enum err own_device_begin(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct tx **out_tx, struct ratchet_account **out_account);
void own_account_cleanup(struct ratchet_account **account);

/* --- own_keys.c ------------------------------------------------------------------------------------------------ */

/** The device's keys, signed by itself, as it publishes them. */
struct json own_device_keys(struct arena *arena, const struct own_device *device,
	struct ratchet_account *account);
/** Publishes device keys, cross-signing keys, and one-time keys. May be repeated. Errors: INTERNAL; STORE. */
MUST_CHECK enum err own_keys_publish(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device);
/** Makes and publishes what others have taken. Errors: MISSING when the device is gone; INTERNAL; STORE. */
MUST_CHECK enum err own_keys_replenish(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device);

/* --- own_sessions.c ------------------------------------------------------------------------------------------- */

/** A message for a device. */
struct own_letter {
	const struct peer_device *to;
	bool is_sent; /**< set by own_letters_send(): false when no session could be had */
};
/**
 * Sends one event to devices, by Olm: sessions that this run began are used, others are begun by claiming one-time keys. Returns when
 * the messages are committed here; those for other servers are on their way.
 *
 * @param content  the same for all
 * Errors: MISSING when the own device is gone; STORE
 * Cost: for each 200 devices some six round trips and two commits; requests to other servers whose devices have no session.
 */
MUST_CHECK enum err own_letters_send(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct str type, const struct json *content,
	struct own_letter *letters, size_t count);
/** Sends a message as it is, the same type with a content for each device. Errors: STORE. */
MUST_CHECK enum err own_plain_send(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct str type, const struct peer_device *const *to,
	const struct json *contents, size_t count);

/** How many sessions are kept; the specification wants four of a device at the least. */
extern const struct own_session_limits own_session_limits;
/** Seals a session's state. */
struct str own_session_seal(struct arena *arena, const struct homeserver *hs, struct str user_id,
	struct str peer_key, struct ratchet_session *session);
/** Errors: INTERNAL */
MUST_CHECK enum err own_session_open(struct ctx *ctx, const struct homeserver *hs,
	struct str user_id, const struct own_session_row *row, struct ratchet_session **out);

/* --- room_key_again.c ------------------------------------------------------------------------------------------ */

/** Who wants a room's key once more. */
struct own_key_ask {
	struct str user_id;
	struct str device_id;  /**< p == NULL: whichever has the key below */
	struct str curve25519; /**< p == NULL: whichever it has */
	struct str room_id;
	struct str session_id; /**< p == NULL: the one that is in use */
};
enum own_key_answer {
	OWN_KEY_UNKNOWN, /**< no such session is in use, or the device was never to have its key */
	OWN_KEY_REFUSED, /**< by policy */
	OWN_KEY_GIVEN,   /**< again, unless it was often enough */
};
/**
 * Gives a device the key of a session in use as it was given before: it reads what it could read, and no more.
 * Errors: MISSING when the own device is gone; STORE.  Cost: none but for a device that was given it: own_letters_send()
 */
MUST_CHECK enum err own_room_key_give_again(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct own_key_ask *ask, enum own_key_answer *out);
/** The same of all rooms, for a device with which a session had to be begun anew: what it was sent lately may be lost. */
MUST_CHECK enum err own_room_keys_give_again(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct str user_id, struct str curve25519);

/* --- room_decrypt.c ---------------------------------------------------------------------------------------------- */

/** What a room key's state is sealed for. */
struct str own_room_key_context(struct arena *arena, struct str user_id, struct str session_id);
/** Errors: INTERNAL */
MUST_CHECK enum err own_room_key_open(struct ctx *ctx, const struct homeserver *hs,
	struct str user_id, const struct own_room_key_row *row, struct megolm_in **out);

#endif
