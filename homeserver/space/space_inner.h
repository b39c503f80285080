/**
 * What the files of space/ share.
 */
#ifndef BELFRY_HOMESERVER_SPACE_SPACE_INNER_H
#define BELFRY_HOMESERVER_SPACE_SPACE_INNER_H

#include "homeserver/space/space.h"
#include "matrix/space_child.h"

/** The rooms in a space, in order, SPACE_CHILDREN_MAX at the most. */
struct space_children {
	struct space_child *p;
	size_t n;
};

/** Those of a room; none when it is no space. From memory when the room is loaded. Errors: STORE */
MUST_CHECK enum err space_children_load(struct ctx *ctx, struct homeserver *hs,
	const struct space_summary *summary, bool suggested_only, struct space_children *out);

/** Writes `children_state` into an open object. */
void space_children_write(const struct space_children *children, struct json_out *out);

/* --- rooms that other servers know --------------------------------------------------------------------------- */

/** What other servers have told in one request. Lives in the ctx's arena. */
struct elsewhere;
/**
 * Once for a request: a later run of one that was parked gets it as it was.
 * @param user_id  who wants to know; p == NULL: somebody without account, who knows of open rooms only
 */
struct elsewhere *elsewhere_create(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	bool suggested_only);
/**
 * A room, and the rooms in it: asked for by `via` unless another answer told of it already. One about which nobody tells is not
 * accessible.
 * @param via  array of texts; NULL: the server in its id is asked
 * Errors: STORE; DEFER (ctx_may_ask, or parked: then it is called again); SHUTDOWN. Bounded in questions and time.
 */
MUST_CHECK enum err elsewhere_find(struct ctx *ctx, struct elsewhere *elsewhere, struct str room_id,
	const struct json *via, struct space_summary *out, struct space_children *out_children);

#endif
