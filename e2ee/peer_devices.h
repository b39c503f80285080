/**
 * The devices of users, as an own device sees them: read from the answer to a key query, and checked.
 * Spec: client-server API, "Device keys", "Cross-signing"
 */
#ifndef BELFRY_E2EE_PEER_DEVICES_H
#define BELFRY_E2EE_PEER_DEVICES_H

#include "e2ee/e2ee.h"

struct peer_device {
	struct str user_id;
	struct str device_id;
	struct str curve25519; /**< unpadded Base64 */
	struct str ed25519;    /**< unpadded Base64 */
	struct str
		master_key; /**< that vouches for it, by way of the self-signing key; p == NULL: none does */
};

struct peer_devices {
	struct peer_device *p; /**< by user, then as the answer has them */
	size_t n;
	const struct json *failures; /**< object: servers that did not answer; NULL: none */
};

/**
 * Reads an answer to /keys/query. Left out are devices that speak neither Olm nor Megolm, whose names are not their own, and that are
 * not signed by themselves; of two with one Curve25519 key of one user the second.
 */
void peer_devices_read(struct arena *arena, const struct json *answer, struct peer_devices *out);
/** Asks for all devices of users. Errors: STORE. Cost: one round trip; a request to each other server whose lists are not known. */
MUST_CHECK enum err peer_devices_find(struct ctx *ctx, struct homeserver *hs, struct str viewer,
	const struct str *user_ids, size_t count, int64_t timeout_ms, struct peer_devices *out);
/** Whether the user's server did not answer. */
bool peer_devices_failed(const struct peer_devices *peers, struct str user_id);

#endif
