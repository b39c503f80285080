/**
 * Messages from device to device.
 * Spec: client-server API, "Send-to-Device messaging"
 */
#ifndef BELFRY_E2EE_TO_DEVICE_H
#define BELFRY_E2EE_TO_DEVICE_H

#include "e2ee/e2ee.h"

enum {
	TO_DEVICE_CONTENT_MAX_BYTES = 65536, /**< of one message's content */
	TO_DEVICE_TARGETS_MAX = 10000,       /**< devices of one request */
};

struct to_device_request {
	struct str sender;
	struct str device_id; /**< of the sender; p == NULL: of another server */
	struct str type;
	struct str txn_id; /**< of another server: the message's id */
	const struct json
		*messages; /**< object: user id → device id, or "*" for all of them → content */
};
/**
 * Sends a message to devices; devices that do not exist get nothing. A repeated transaction id does nothing.
 *
 * A device that does not fetch its messages keeps the newest ones, as many as the setting to_device.limit says, give or take a few.
 *
 * Errors: INPUT M_INVALID_PARAM, M_TOO_LARGE; STORE; LIMIT
 * Cost: one commit, however many devices; one round trip more when "*" is among them.
 */
MUST_CHECK enum err to_device_send(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request);

/**
 * Messages of a user of another server to devices here; for others nothing is done. A message whose id came before does nothing.
 *
 * Errors: INPUT M_INVALID_PARAM, M_TOO_LARGE; STORE; LIMIT
 * Cost: as to_device_send()
 */
MUST_CHECK enum err to_device_receive(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request);

#endif
