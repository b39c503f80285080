/**
 * Invites of other servers' users to ours.
 * Spec: server-server API, "Inviting to a room"
 */
#ifndef BELFRY_FEDERATION_INVITE_IN_H
#define BELFRY_FEDERATION_INVITE_IN_H

#include "federation/federation.h"

/** PUT invite, of both versions. */
struct invite_received {
	struct server_name origin;
	struct str room_id;
	struct str event_id;
	struct str room_version;  /**< p == NULL: version 1 does not say it */
	const struct json *event; /**< NULL: absent */
	const struct json *state; /**< `invite_room_state`; NULL: absent */
};

/**
 * Checks the invite and signs it; unless this server is in the room (where it will come as an event of the room), the invitee hears
 * of it at once.
 *
 * @param out  the event with our signature, in the arena
 * Errors: INPUT M_INCOMPATIBLE_ROOM_VERSION, M_BAD_JSON, M_INVALID_PARAM (no such invite, not signed, bad state); DENIED
 * M_FORBIDDEN (no such user; access list), M_INVITE_BLOCKED; STORE
 */
MUST_CHECK enum err invite_in_take(struct ctx *ctx, struct federation *federation,
	const struct invite_received *received, struct json *out);

#endif
