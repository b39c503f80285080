/**
 * Replacing a room by one of another version.
 * Spec: client-server API, "Room Upgrades"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_UPGRADE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_UPGRADE_H

#include "homeserver/room/rooms.h"

struct upgrade_request {
	const struct principal *who;
	struct str room_id;
	struct str new_version;
	const struct json *additional_creators; /**< array; NULL: none */
};

/**
 * Makes the new room, with the old one's name, rules, bans and aliases, and closes the old one: in one commit.
 * Of upgrades of a room at once the first one counts: who asked for it twice is told of it twice.
 * Errors: INPUT M_UNSUPPORTED_ROOM_VERSION, M_BAD_JSON, M_BAD_STATE (somebody else was quicker); DENIED M_FORBIDDEN, M_USER_SUSPENDED; STORE
 * @param out_room_id  of the new room; in the ctx's arena
 */
MUST_CHECK enum err room_upgrade(struct ctx *ctx, struct homeserver *hs,
	const struct upgrade_request *request, struct str *out_room_id);

#endif
