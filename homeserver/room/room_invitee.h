/**
 * Whether a user of this server takes invites, whoever invites.
 * Spec: client-server API, "Invite permission"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_INVITEE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_INVITEE_H

#include "homeserver/homeserver.h"

/** One round trip. Errors: DENIED M_INVITE_BLOCKED; STORE */
MUST_CHECK enum err room_require_takes_invites(struct ctx *ctx, struct homeserver *hs,
	struct str user_id);

#endif
