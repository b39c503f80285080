/**
 * Invites by mail address or phone number, once it is known whose it is. What promises them: homeserver/room/room_third_party.h.
 * Spec: server-server API, "Third-party invites"
 */
#ifndef BELFRY_FEDERATION_THIRD_PARTY_H
#define BELFRY_FEDERATION_THIRD_PARTY_H

#include "federation/federation.h"

/**
 * The invited user's server asks for the invite that a m.room.third_party_invite of a user of ours promised: it is built anew, judged by the
 * room's rules (which check the identity server's signature), signed by both, and added to the room.
 * Errors: INPUT M_INVALID_PARAM, M_BAD_JSON, M_MISSING_PARAM; MISSING M_NOT_FOUND (room, or promise); DENIED M_FORBIDDEN (signature, or its key is not valid any more); REMOTE, TIMEOUT (that could not be asked); as invite_out()
 */
MUST_CHECK enum err third_party_exchange(struct ctx *ctx, struct federation *federation,
	struct server_name origin, struct str room_id, const struct json *body);

/**
 * An identity server tells that an address is bound to a user of ours, and which invites wait for it: each is added to its room, or asked for
 * at the server of who invited. One that fails does not stop the others.
 * Errors: INPUT M_INVALID_PARAM, M_BAD_JSON, M_MISSING_PARAM (shape, no user of ours, too many); STORE; SHUTDOWN
 */
MUST_CHECK enum err third_party_bound(struct ctx *ctx, struct federation *federation,
	const struct json *body);

/** membership_port.redeem. */
MUST_CHECK enum err third_party_redeem(void *self, struct ctx *ctx, struct str room_id,
	struct str user_id, const struct json *signature);

#endif
