/**
 * The resident server's side of the handshakes: users of other servers come into, knock at, or leave rooms in which this server is.
 * Spec: server-server API, "Joining Rooms", "Restricted rooms", "Knocking upon a room", "Leaving Rooms (Rejecting Invites)"
 */
#ifndef BELFRY_FEDERATION_MEMBER_IN_H
#define BELFRY_FEDERATION_MEMBER_IN_H

#include "federation/handshake.h"

struct room;

/** A make_* request. */
struct template_wish {
	enum handshake_kind kind;
	struct server_name origin; /**< who asks */
	struct str room_id;
	struct str user_id;
	const struct str *versions; /**< room versions that the other server knows; NULL: any */
	size_t version_count;
};

/**
 * Makes the event that the other server has to sign.
 * @param out_version  static
 * Errors: DENIED M_FORBIDDEN (another server's user; access list; the room's rules); MISSING M_NOT_FOUND (this server is not in the
 * room); INPUT M_INVALID_PARAM, M_INCOMPATIBLE_ROOM_VERSION, M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN; STORE
 */
MUST_CHECK enum err member_in_make(struct ctx *ctx, struct federation *federation,
	const struct template_wish *wish, struct json *out, const struct room_version **out_version);

/** A send_* request. */
struct signed_member {
	enum handshake_kind kind;
	struct server_name origin;
	struct str room_id;
	struct str event_id;
	const struct json *body;
};

/** An event that the room has taken. */
struct taken_member {
	struct room *room;
	const struct event *event; /**< with our signature where it takes one */
};

/**
 * Takes the event into the room: checked, and signed by us only when a user of ours lets its sender in. One that comes again is taken again.
 * Errors: INPUT M_BAD_JSON, M_INVALID_PARAM (not what the endpoint is for, or not signed), and as above
 * Cost: as room_accept()
 */
MUST_CHECK enum err member_in_take(struct ctx *ctx, struct federation *federation,
	const struct signed_member *sent, struct taken_member *out);

/**
 * Writes the answer to a join that was taken: the state before it, and all that this stands on, each event once.
 * @param omits_members  without members but those by which the room is named
 * Cost: one round trip or two, and the size of the state
 */
MUST_CHECK enum err member_in_write_room(struct ctx *ctx, struct federation *federation,
	const struct taken_member *taken, bool omits_members, struct json_out *out);

/** Writes the array of PDUs by which who knocked recognises the room. */
MUST_CHECK enum err member_in_write_stripped(struct ctx *ctx, struct federation *federation,
	struct room *room, struct json_out *out);

#endif
