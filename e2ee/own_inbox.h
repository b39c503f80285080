/**
 * What comes to own devices: a stream consumer (homeserver/consumer.h).
 * Spec: client-server API, "Messaging Algorithms", "Recovering from undecryptable messages", "Key requests"
 */
#ifndef BELFRY_E2EE_OWN_INBOX_H
#define BELFRY_E2EE_OWN_INBOX_H

#include "e2ee/own_device.h"

#define OWN_INBOX_CONSUMER "own_devices"

/**
 * Takes the messages to own devices, in their order. Room keys are taken from Olm messages only, for rooms in which the device's user
 * is or is invited; forwarded ones are not taken. Whoever cannot be understood gets a new session, once an hour, if it is a device of
 * this server; with others the next message that is sent begins one. Requests for keys
 * are answered to members of the room: a device that was given the key of the session in use gets it again, as it was then, some times; others
 * are told that it is withheld (m.unverified), or not there any more (m.unavailable). So does a device that begins a new session because it
 * did not understand the old one (m.dummy).
 *
 * What a message can do is limited to its sender: a message costs one transaction, and each sender's sessions and keys have a number
 * beyond which their oldest ones go.
 *
 * Cost: one round trip a round; four and a commit for each message.
 */
MUST_CHECK enum err own_inbox_consume(struct ctx *ctx, struct homeserver *hs, void *self,
	int64_t after, int64_t up_to, int64_t *out_reached);

#endif
