/**
 * What a user may know of a room without being in it: summaries, and the tree of rooms below a space.
 * Spec: client-server API, "Spaces", "Room Summary API"
 */
#ifndef BELFRY_HOMESERVER_SPACE_SPACE_H
#define BELFRY_HOMESERVER_SPACE_SPACE_H

#include "homeserver/room/rooms.h"
#include "matrix/room_summary.h"

/** Who wants to know of rooms. */
struct space_viewer {
	struct str user_id; /**< p == NULL: somebody without account, or a server */
	struct server_name
		server; /**< another server, which asks for any of its users; s.p == NULL: none */
};
/** A room as a viewer may know it. */
struct space_summary {
	struct room *room; /**< NULL: another server told of it */
	struct str room_id;
	int64_t joined_members;
	struct str room_version; /**< p == NULL: not known */
	struct room_summary content;
	struct str membership; /**< of the user, or the best that the server has; empty: none */
	/**
	 * The viewer is joined or invited, may join or knock, or everybody may read: the conditions of /hierarchy. Who is banned may only
	 * know of rooms that everybody may read.
	 */
	bool is_accessible;
};
/**
 * Looks at the room's state. From memory when it is loaded; a restricted room looks at the rooms whose members may join.
 * Errors: STORE
 */
MUST_CHECK enum err space_summary_load(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct space_viewer *viewer, struct space_summary *out);
/** Writes the members of a summary into an open object. */
void space_summary_write(const struct space_summary *summary, struct json_out *out);

/** What /room_summary was asked. */
struct summary_ask {
	struct str id;      /**< room id or alias */
	struct str user_id; /**< p == NULL: somebody without account, for whom nobody else is asked */
	const struct str *via;
	size_t via_count;
};
/**
 * Writes the summary of a room: as it is here, or, when this server is not in it, as one of the servers tells that the client named, that
 * the alias leads to, or that invited the user. Unknown rooms and those of which the user may not know look the same.
 *
 * Cost: from memory for a room that is loaded. For one that is elsewhere a request, kept for 5 minutes, and one for an alias.
 * Errors: MISSING M_NOT_FOUND; INPUT M_INVALID_PARAM; STORE; DEFER (ctx_may_ask); of an alias elsewhere also REMOTE, TIMEOUT, DENIED
 */
MUST_CHECK enum err space_write_summary(struct ctx *ctx, struct homeserver *hs,
	const struct summary_ask *ask, struct json_out *out);

enum {
	SPACE_LIMIT_DEFAULT = 50,
	SPACE_LIMIT_MAX = 100,
	SPACE_DEPTH_MAX = 20,
	SPACE_ROOMS_MAX = 5000,          /**< rooms that one request looks at */
	SPACE_CHILDREN_MAX = 1000,       /**< of one space */
	SPACE_SERVER_CHILDREN_MAX = 200, /**< that another server gets summaries of in one answer */
};

struct space_ask {
	struct str user_id;
	struct str room_id;
	bool suggested_only;
	int64_t max_depth;
	size_t limit;
	struct str from; /**< token; p == NULL: the first page */
};
/**
 * Writes a page of the tree below a space: {"rooms":[…],"next_batch":…}, each room once, a space before what is in it.
 *
 * Cost: from memory for rooms that are loaded, two round trips for each other. A page walks the tree from the root: its
 * cost grows with the pages before it.
 * Errors: DENIED M_FORBIDDEN (the root); INPUT M_INVALID_PARAM (from); STORE
 */
MUST_CHECK enum err space_write_hierarchy(struct ctx *ctx, struct homeserver *hs,
	const struct space_ask *ask, struct json_out *out);

/**
 * Writes what another server may know of a room and those right below it: {"room":…,"children":[…],"inaccessible_children":[…]}.
 * Cost: as above. Errors: MISSING M_NOT_FOUND (unknown, or nothing that the server may know of); STORE
 * Spec: server-server API, "Spaces"
 */
MUST_CHECK enum err space_write_for_server(struct ctx *ctx, struct homeserver *hs,
	struct str room_id, struct server_name server, bool suggested_only, struct json_out *out);

#endif
