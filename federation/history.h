/**
 * A room's events as another server may read them: its door, what stands behind which event, and the form in which events go out.
 *
 * A server reads rooms in which it has a joined user, if the room's access list lets it. What none of its users may see by the room's
 * history visibility goes out redacted, so that the graph of events stays whole. State and auth events are for everybody inside.
 * Spec: server-server API, "Backfilling and retrieving missing events", "Retrieving events"; client-server API, "Room History
 * Visibility"
 */
#ifndef BELFRY_FEDERATION_HISTORY_H
#define BELFRY_FEDERATION_HISTORY_H

#include "federation/federation.h"
#include "homeserver/room/room_accept.h"

enum {
	HISTORY_LIMIT_MAX = 100, /**< events of one answer */
	HISTORY_IDS_MAX = 50,    /**< events from which one may walk */
	HISTORY_SCAN_MAX = 2000, /**< events that one walk looks at */
};

/** A room with one server reading it. Lives in the ctx's arena. */
struct history {
	struct room *room;
	struct room_viewer *viewer;
};

/**
 * Lets a server in. Rooms that are unknown, or in which this server has nobody any more, look like those in which the other has nobody.
 * Errors: DENIED M_FORBIDDEN; STORE     Cost: from memory when the room is loaded
 */
MUST_CHECK enum err history_open(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct server_name server, struct history *out);
/**
 * The same by an event. Whether there is such an event is for those in its room to know. Errors: MISSING M_NOT_FOUND; STORE
 */
MUST_CHECK enum err history_open_of(struct ctx *ctx, struct homeserver *hs, struct str event_id,
	struct server_name server, struct history *out);

/** An event of this room that is right where it stands. Errors: MISSING M_NOT_FOUND, also for events of other rooms; STORE */
MUST_CHECK enum err history_find(struct ctx *ctx, struct homeserver *hs,
	const struct history *history, struct str event_id, struct stored_event **out);

/** What one walks back from, and how far. */
struct history_walk {
	const struct event_id
		*from; /**< the first events of the answer; unknown ones are passed over */
	size_t from_count;
	bool without_from;           /**< only what stands behind them */
	const struct event_id *stop; /**< neither these nor what stands behind them alone */
	size_t stop_count;
	int64_t min_depth;
	size_t limit;
};
/**
 * Walks along prev_events, the newest first. Cost: one round trip for each 200 events that are not in memory.
 * Errors: STORE
 */
MUST_CHECK enum err history_walk(struct ctx *ctx, struct homeserver *hs,
	const struct history *history, const struct history_walk *walk, struct stored_event ***out,
	size_t *out_count);

/**
 * Writes an array of PDUs: redacted where the server may not see more.
 * Errors: STORE. Nothing is written then.
 * @param key  of the open object; static
 */
MUST_CHECK enum err history_write(struct ctx *ctx, struct homeserver *hs,
	const struct history *history, struct stored_event **events, size_t count, const char *key,
	struct json_out *out);

/** The visible event nearest to a time. Errors: MISSING M_NOT_FOUND; STORE */
MUST_CHECK enum err history_near(struct ctx *ctx, struct homeserver *hs,
	const struct history *history, int64_t ts, bool is_backwards, const struct event **out);

#endif
