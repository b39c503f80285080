/**
 * A room being read by one local user: what the user may know of it.
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_READING_H
#define BELFRY_HOMESERVER_TIMELINE_READING_H

#include "homeserver/timeline/event_view.h"
#include "matrix/str_set.h"

enum {
	READING_SCAN_LIMIT = 5000, /**< events that one request looks at, at the most */
	READING_GAPS_MAX = 3,      /**< gaps that others fill for one request */
	READING_FETCHES_MAX = 2,   /**< times that an event is looked for elsewhere for one request */
};

struct reading {
	struct room *room;
	struct room_viewer *viewer;
	int64_t horizon; /**< newest position of which the reader may know; 0: of none */
	struct str_set ignored;
	struct event_view view; /**< as the reader sees events; may be changed for the answer */
};

/**
 * Begins to read. From memory for who is joined and has synced, else up to three round trips.
 * Errors: DENIED M_FORBIDDEN when the user has forgotten the room; STORE
 * @param out  must stay where it is: its view points into it
 */
MUST_CHECK enum err reading_begin(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct room *room, struct reading *out);

/**
 * The same for a room by its id, for who may read it at all. Errors: DENIED M_FORBIDDEN, also for unknown rooms; STORE
 */
MUST_CHECK enum err reading_begin_room(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct reading *out);

/**
 * An event that the user may see; unknown rooms, unknown events and hidden ones look the same.
 * Errors: MISSING M_NOT_FOUND; STORE
 */
MUST_CHECK enum err reading_find_event(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct str event_id, struct reading *reading,
	struct stored_event **out);

/**
 * The same, and others are asked for it where it is not here (struct history_port).
 * Errors: also DEFER: nothing was done, the request goes on where it may wait for other servers
 */
MUST_CHECK enum err reading_get_event(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, struct str event_id, struct reading *reading,
	struct stored_event **out);

/**
 * Has others asked for an event by its time, where history of that time may be missing here.
 * @param out_is_news  whether to look anew
 * Errors: STORE; DEFER, as above
 */
MUST_CHECK enum err reading_fetch_near(struct ctx *ctx, struct homeserver *hs,
	const struct reading *reading, const struct history_time *wanted, bool *out_is_news);

/**
 * Has others asked for what was before the gap at which a page ended.
 * @param reached     page.reached
 * @param out_goes_on  whether reading anew may find more; false when nobody can be asked
 * Errors: STORE; DEFER: nothing was done, the request goes on where it may wait for other servers
 */
MUST_CHECK enum err reading_fill_gap(struct ctx *ctx, struct homeserver *hs,
	const struct reading *reading, int64_t reached, bool *out_goes_on);

/** Whether a message of somebody whom the reader ignores is left out. State is shown all the same. */
bool reading_ignores(const struct reading *reading, const struct stored_event *event);

#endif
