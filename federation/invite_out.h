/**
 * Inviting users of other servers: theirs signs the invite before the room gets it.
 * Spec: server-server API, "Inviting to a room", "Third-party invites"
 */
#ifndef BELFRY_FEDERATION_INVITE_OUT_H
#define BELFRY_FEDERATION_INVITE_OUT_H

#include "federation/federation.h"

/**
 * See struct membership_port; `self` is the federation.
 *
 * Nothing of the room is held while the other server answers. The event keeps the place that it was built at; when it comes back it
 * goes through all checks of an event from outside, by the state of then: an inviter who was banned meanwhile has invited nobody.
 */
MUST_CHECK enum err invite_out(void *self, struct ctx *ctx, struct room *room,
	const struct room_intent *intent, struct str *out_event_id);

#endif
