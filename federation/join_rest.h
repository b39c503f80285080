/**
 * The rest of a room into which this server came without its members: fetched afterwards, by the queue of the room in the inbox, whose
 * events wait for it. After a restart it goes on.
 * Spec: server-server API, "Joining Rooms" (send_join, `omit_members`), "Retrieving events" (GET /state)
 */
#ifndef BELFRY_FEDERATION_JOIN_REST_H
#define BELFRY_FEDERATION_JOIN_REST_H

#include "federation/federation.h"
#include "homeserver/room/rooms.h"

enum join_rest_end {
	JOIN_REST_WHOLE,
	JOIN_REST_LATER,
	JOIN_REST_REFUSED, /**< later; and a server that was asked last says that we are not in the room */
};

/**
 * Asks servers of a partial room for its state before our join, and makes the room whole by what one of them says, which is checked like the
 * answer to a join. If none gives it, they are left alone for a while that doubles. Waits for other servers.
 *
 * Errors: STORE; SHUTDOWN; TIMEOUT.  Cost: one request where who took the join answers; a signature check for each event
 */
MUST_CHECK enum err join_rest_fetch(struct ctx *ctx, struct federation *federation,
	struct room *room, enum join_rest_end *out);

#endif
