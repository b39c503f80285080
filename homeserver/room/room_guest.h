/**
 * Guests in rooms.
 * Spec: client-server API, "Guest Access"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_GUEST_H
#define BELFRY_HOMESERVER_ROOM_ROOM_GUEST_H

#include "homeserver/room/rooms.h"

/** Errors: DENIED M_GUEST_ACCESS_FORBIDDEN when a guest wants to join a room that does not let guests in. */
MUST_CHECK enum err room_require_guests_allowed(struct ctx *ctx, struct homeserver *hs,
	struct room *room, const struct principal *who);

/**
 * The guests of this server who have to leave when the room's m.room.guest_access becomes `content`. One round trip, none when
 * guests stay.
 * @param out_intents  their leaving, each by the guest; in the ctx's arena
 */
MUST_CHECK enum err room_guests_leaving(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct json *content, struct room_intent **out_intents, size_t *out_count);

/**
 * Others may have changed the room's m.room.guest_access: guests of this server leave where it lets none in.
 * Errors: STORE, TIMEOUT, SHUTDOWN     Cost: two round trips and a commit; none when guests may stay
 */
MUST_CHECK enum err room_guests_follow(struct ctx *ctx, struct homeserver *hs, struct room *room);

/** Position of the room's current m.room.guest_access; 0: none. From memory. Errors: STORE */
MUST_CHECK enum err room_guests_position(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t *out);

#endif
