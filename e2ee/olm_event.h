/**
 * Olm messages as they come to a device: the m.room.encrypted around them, and what is inside. Both are checked here, and nowhere else.
 * Spec: client-server API, "m.olm.v1.curve25519-aes-sha2", "Validation of incoming decrypted events"
 */
#ifndef BELFRY_E2EE_OLM_EVENT_H
#define BELFRY_E2EE_OLM_EVENT_H

#include "base/json.h"
#include "e2ee/olm.h"

/** The part of an m.room.encrypted that is for one device. */
struct olm_envelope {
	struct str sender_key; /**< Curve25519 */
	enum ratchet_message_type type;
	struct str body;
};
/** @return false when it is malformed, encrypted otherwise, or not for the device with this key */
MUST_CHECK bool olm_envelope_read(struct arena *arena, const struct json *content,
	struct str own_curve25519, struct olm_envelope *out);

/** What has to agree with what was inside. */
struct olm_expectation {
	struct str sender;     /**< of the message, as servers say */
	struct str sender_key; /**< of the envelope */
	struct str recipient;  /**< user */
	struct str recipient_ed25519;
};
/** An event that came inside. */
struct olm_event {
	struct str type;
	const struct json *content;
	struct str
		sender_ed25519; /**< as the sender says; proven only where its signed device keys came along */
};
/**
 * Reads and checks the plaintext of an Olm message.
 * @return false when any check fails: the event has to be discarded
 */
MUST_CHECK bool olm_event_read(struct arena *arena, struct str plaintext,
	const struct olm_expectation *expected, struct olm_event *out);

#endif
