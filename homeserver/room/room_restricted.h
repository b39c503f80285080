/**
 * Restricted rooms: who may come in because of another room, and whose word it takes.
 * Spec: client-server API, "Restricted rooms"; server-server API, "Restricted rooms"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_RESTRICTED_H
#define BELFRY_HOMESERVER_ROOM_ROOM_RESTRICTED_H

#include "homeserver/room/rooms.h"

enum restricted_way {
	RESTRICTED_NOT, /**< the room is not restricted, or the user needs no help: joined or invited */
	RESTRICTED_GRANTED,   /**< a user of this server lets the user in */
	RESTRICTED_REFUSED,   /**< in none of the rooms that it admits, all of which are known here */
	RESTRICTED_UNKNOWN,   /**< in none that is known here; others may know more */
	RESTRICTED_UNGRANTED, /**< in one of them, but nobody of this server may let others in */
};

/**
 * How a user may come into a room in which this server is. From memory.
 * @param out_authoriser  for join_authorised_via_users_server; p == NULL unless granted
 * Errors: STORE
 */
MUST_CHECK enum err room_restricted_way(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, enum restricted_way *out, struct str *out_authoriser);

#endif
