/**
 * Encrypting what an own device says in a room, and reading what others say there.
 * Spec: client-server API, "m.megolm.v1.aes-sha2", "Recommended client behaviour", "Reporting that decryption keys are withheld"
 */
#ifndef BELFRY_E2EE_ROOM_CIPHER_H
#define BELFRY_E2EE_ROOM_CIPHER_H

#include "e2ee/own_device.h"
#include "homeserver/room/rooms.h"

/** Which devices of the members get the keys of a message. */
enum share_policy {
	SHARE_ALL,          /**< every device that speaks Olm */
	SHARE_CROSS_SIGNED, /**< those that their owners have signed, and those listed */
	SHARE_LISTED,       /**< those listed, and those signed by way of a master key that is listed */
};

struct cipher_message {
	struct str type;
	const struct json *content;
	enum share_policy policy;
	const struct str *listed; /**< Ed25519 keys of devices, and master keys; unpadded Base64 */
	size_t listed_n;
};

/**
 * Encrypts an event for a room. Who may read it and has not got the session's key gets it first: devices of all who are joined and,
 * unless history is for the joined only, invited. Those that the policy leaves out are told so (m.unverified), and those with
 * whom no Olm session can be had (m.no_olm); with the next message these are tried again. What is relates to (m.relates_to) stays readable.
 *
 * The session is replaced when it is older than the room's rotation_period_ms (a week), has encrypted rotation_period_msgs (100),
 * when somebody left or a device ended or is no longer allowed, when new members may (no longer) be told of history, and at each start
 * of the process.
 *
 * @param out  content of m.room.encrypted, in the ctx's arena; to be sent once, or not at all
 * Errors: INPUT M_BAD_STATE (the room is not encrypted, or by another algorithm), M_TOO_LARGE; MISSING M_NOT_FOUND (the own device has
 * ended); TIMEOUT; STORE; DEFER (ctx_may_ask)
 * Cost: none while nobody's devices and no memberships changed; else looks at all members and their devices, in one round trip, and
 * what own_letters_send() says for those who have not got the key.
 */
MUST_CHECK enum err room_cipher_encrypt(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct room *room, const struct cipher_message *message,
	struct json *out);

/** What came in an m.room.encrypted. In the ctx's arena. */
struct cipher_plain {
	struct str type;
	const struct json *content; /**< object, with the m.relates_to of the event */
	struct str
		device_id; /**< of the sender; p == NULL: none of the sender's devices is known to have the keys that sent it */
	struct str master_key; /**< that vouches for the device; p == NULL: none does */
};
/**
 * Decrypts an event of a room. The same event may be decrypted again; another one with its index may not.
 *
 * Errors: MISSING M_NOT_FOUND (no key for it yet: it may come later); DENIED M_FORBIDDEN (not what it says: replayed, of another room or
 * sender, or changed); INPUT M_BAD_JSON (malformed, or another algorithm); INTERNAL; STORE
 * Cost: three round trips; a request where the sender's server's list is not known.
 */
MUST_CHECK enum err room_cipher_decrypt(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct event *event, struct cipher_plain *out);

#endif
