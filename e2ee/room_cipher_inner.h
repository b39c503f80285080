/**
 * An own device's Megolm session in one room, and who has got its key: what room_cipher.c and room_key_again.c share.
 */
#ifndef BELFRY_E2EE_ROOM_CIPHER_INNER_H
#define BELFRY_E2EE_ROOM_CIPHER_INNER_H

#include "base/crypto.h"
#include "e2ee/own_device_inner.h"

struct given_key;

struct room_cipher {
	bool turn_taken;        /* guarded by own_devices.lock; all below by the turn */
	struct megolm_out *out; /* NULL: none yet */
	int64_t made_ms;        /* monotonic */
	int64_t messages;
	bool is_history_shared;
	struct map shared; /* device_key() → struct given *: who has got the key, and as it was then */
	struct given_key *keys; /* of the session, as they were given; the newest first */
	struct map refused;     /* device_key() → the cipher: who was told that there is none */
	/* Nothing has to be looked at while these hold. */
	bool is_settled; /* everybody who may have the key has it */
	int64_t lists_position;
	int64_t room_position;
	unsigned char policy[SHA256_BYTES];
};

/** A device that has got other keys meanwhile is another one. In the arena. */
struct str device_key(struct arena *arena, const struct peer_device *peer);

/**
 * Takes the turn of a device in a room; waits for whoever has it. room_cipher_leave() gives it back.
 * @param makes  the cipher, when there is none yet
 * @return       NULL: not until then, or there is none
 */
struct room_cipher *room_cipher_take(struct arena *arena, struct own_devices *own,
	const struct own_device *device, struct str room_id, bool makes, int64_t until_mono_ms);
void room_cipher_leave(struct own_devices *own, struct room_cipher *cipher);

/** A device has got the session's key as it is now. */
void room_cipher_note_given(struct room_cipher *cipher, struct str device, struct str session_key);
/** Nobody has: the session has ended. */
void room_cipher_forget_given(struct room_cipher *cipher);

/** Content of m.room_key. In the arena. */
struct json room_key_content(struct arena *arena, const struct room_cipher *cipher,
	struct str room_id, struct str session_key);

#endif
