/**
 * What a server answers to a join: the room's state and auth events, looked through before anything is believed.
 * Spec: server-server API, "Joining Rooms" (send_join); "Restricted rooms"
 */
#ifndef BELFRY_FEDERATION_JOIN_ANSWER_H
#define BELFRY_FEDERATION_JOIN_ANSWER_H

#include "federation/handshake.h"
#include "homeserver/room/room_accept.h"

/**
 * Reads and checks the answer. Events that are malformed, of another room, not signed by all who have to, or that stand on such, are
 * left out; so a room with events of servers that are gone can be joined. What has to be there: the create event, and
 * whatever the join stands on.
 *
 * @param out  in the ctx's arena; the join carries the signature of who lets the user in
 * Errors: REMOTE (the answer cannot be used); STORE; TIMEOUT
 * Cost: a signature check for each event, and requests for the keys that are not known
 */
MUST_CHECK enum err join_answer_check(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, const struct json *answer, struct room_import *out);

/** Whose state is asked for afterwards. */
struct join_rest {
	struct room *room;
	const struct event *join;  /**< ours, by which this server came into the room */
	struct server_name server; /**< who is asked */
};
/**
 * The same for the state before a join that was taken without the room's members, as of GET /state.
 * @param out  in the ctx's arena, for rooms_store_rest()
 */
MUST_CHECK enum err join_answer_check_rest(struct ctx *ctx, struct federation *federation,
	const struct join_rest *rest, const struct json *answer, struct room_import *out);

#endif
