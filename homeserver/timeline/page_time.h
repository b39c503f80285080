/**
 * The event that was sent at about a time.
 * Spec: client-server API, getEventByTimestamp
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_PAGE_TIME_H
#define BELFRY_HOMESERVER_TIMELINE_PAGE_TIME_H

#include "homeserver/timeline/timeline.h"

/**
 * Writes {"event_id":…,"origin_server_ts":…} of the first event at `ts` or after it (backwards: the last one at it or before)
 * that the user may see, wherever in the room's servers it is. Two round trips for each chunk that is passed over; where history of that
 * time may be missing, others are asked (struct history_port).
 * Errors: MISSING M_NOT_FOUND; DENIED M_FORBIDDEN; STORE; DEFER
 */
MUST_CHECK enum err page_event_near(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str room_id, int64_t ts, bool is_backwards,
	struct json_out *out);

#endif
