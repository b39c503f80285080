/**
 * What relates to an event, and the threads of a room.
 * Spec: client-server API, "Forming relationships between events", "Querying threads in a room"
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_PAGE_RELATIONS_H
#define BELFRY_HOMESERVER_TIMELINE_PAGE_RELATIONS_H

#include "homeserver/timeline/timeline.h"

enum {
	RELATIONS_DEFAULT_LIMIT = 20,
	RELATIONS_MAX_LIMIT = 500,
	RELATIONS_MAX_LEVELS = 3, /**< with `recurse` */
};

/** What /relations was asked. */
struct relations_ask {
	const struct principal *who;
	struct str room_id;
	struct str event_id;
	struct str rel_type;   /**< p == NULL: any */
	struct str event_type; /**< p == NULL: any */
	bool is_backwards;
	bool has_from, has_to;
	struct token from, to;
	bool is_recursive;
	bool tells_depth; /**< `recurse` was given */
	size_t limit;
};
/**
 * Writes {"chunk":…,"next_batch":…,"prev_batch":…,"recursion_depth":…}. Two round trips more than the events cost.
 * Errors: MISSING M_NOT_FOUND (parent unknown or hidden); STORE
 */
MUST_CHECK enum err page_relations(struct ctx *ctx, struct homeserver *hs,
	const struct relations_ask *ask, struct json_out *out);

/** What /threads was asked. */
struct threads_ask {
	const struct principal *who;
	struct str room_id;
	bool has_from;
	struct token from;
	bool only_participated;
	size_t limit;
};
/**
 * Writes {"chunk":…,"next_batch":…}: thread roots by their threads' newest events, newest first.
 * Errors: DENIED M_FORBIDDEN; STORE
 */
MUST_CHECK enum err page_threads(struct ctx *ctx, struct homeserver *hs,
	const struct threads_ask *ask, struct json_out *out);

#endif
