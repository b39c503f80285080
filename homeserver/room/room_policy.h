/**
 * The policy server of a room: whether it uses one, and its signature for an event.
 * Spec: server-server API, "Policy Servers"
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_POLICY_H
#define BELFRY_HOMESERVER_ROOM_ROOM_POLICY_H

#include "homeserver/room/rooms.h"
#include "matrix/policy_server.h"

/**
 * The policy server that a room uses by its current state: named in a valid m.room.policy, with a joined user.
 * @param out  via.s.p == NULL: none. Lives in the ctx's arena.
 * Errors: STORE     Cost: a look into memory for a room that names none; else a round trip where the event is not in memory
 */
MUST_CHECK enum err room_policy_server(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct policy_server *out);

/** Asks a policy server to sign an event. Errors: as struct policy_port; DENIED M_FORBIDDEN (what it gave is no signature) */
MUST_CHECK enum err room_policy_ask(struct ctx *ctx, struct homeserver *hs,
	const struct policy_server *server, const struct event *event, const struct event **out);

/**
 * Puts the signature of the room's policy server to an event of ours that others get before the room has it; nothing to do
 * where the room uses none. The caller has no turn. Errors: as above; STORE
 */
MUST_CHECK enum err room_policy_sign(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event **event);

#endif
