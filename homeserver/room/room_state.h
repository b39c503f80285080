/**
 * Reading and writing a room's state for local users.
 * Spec: client-server API, "Getting events for a room", "Sending events to a room"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_STATE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_STATE_H

#include "homeserver/room/room_send.h"

/**
 * Up to which position a user may see the state: POSITION_NOW for members (and anybody where history is world-readable),
 * the leaving for who has left. Errors: DENIED M_FORBIDDEN.
 */
MUST_CHECK enum err room_state_horizon(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t *out_position);

/** One state event as the user may see it. Errors: DENIED M_FORBIDDEN; MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err room_state_get(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct str type, struct str state_key,
	struct stored_event **out);

struct state_wish {
	const struct principal *who;
	struct str room_id;
	struct str type;
	struct str state_key;
	const struct json *content; /**< object */
	struct event_stamp stamp;
	const struct delayed_key *delayed; /**< as in send_request */
};
/**
 * Sets state; the same content by the same sender makes no new event.
 * Errors: DENIED M_FORBIDDEN, M_USER_SUSPENDED, M_GUEST_ACCESS_FORBIDDEN, M_INVITE_BLOCKED; INPUT M_BAD_STATE, M_BAD_ALIAS, M_BAD_JSON, M_INVALID_PARAM, M_TOO_LARGE; STORE
 */
MUST_CHECK enum err room_state_put(struct ctx *ctx, struct homeserver *hs,
	const struct state_wish *wish, struct str *out_event_id);

#endif
