/**
 * The list of what a user was, or would have been, notified of. Nothing is stored for it: events are judged by the user's rules as they
 * are now, when somebody asks.
 * Spec: client-server API, "Listing Notifications"
 */
#ifndef BELFRY_HOMESERVER_PUSHER_NOTIFICATIONS_H
#define BELFRY_HOMESERVER_PUSHER_NOTIFICATIONS_H

#include "homeserver/room/rooms.h"

enum { NOTIFICATIONS_DEFAULT = 20, NOTIFICATIONS_MAX = 50 };

struct notification_query {
	int64_t before; /**< position; POSITION_NOW: the newest */
	size_t limit;   /**< at most NOTIFICATIONS_MAX */
	bool only_highlights;
};

/**
 * Writes the answer: notifications, newest first, and next_token while there may be more. A page looks at 2,000 events at the most,
 * so it may have fewer than asked for, also none, and still go on.
 * Errors: STORE     Cost: a round trip for each 500 events looked at; up to two for each event shown that is not in memory.
 */
MUST_CHECK enum err notifications_write(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, const struct notification_query *query, struct json_out *out);

#endif
