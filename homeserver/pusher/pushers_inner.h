/**
 * Inside of the domain: delivery. Others use pushers.h.
 */
#ifndef BELFRY_HOMESERVER_PUSHER_PUSHERS_INNER_H
#define BELFRY_HOMESERVER_PUSHER_PUSHERS_INNER_H

#include "homeserver/pusher/pushers.h"

/** Something was queued: looks at once. Any thread. */
void pushers_wake(struct pushers *pushers);

/** What is to be sent. */
struct push_notice {
	struct str url;
	struct str
		body; /**< for POST /_matrix/push/v1/notify; p == NULL: there is nothing to tell any more */
	int64_t badge; /**< the count in it; -1: none */
};
/**
 * Writes what waits as a notification: event, room, counts, device. What the user may not see any more, or
 * has read, is left out.
 * Errors: STORE     Cost: rooms of the user whose counts are not in memory, one or two round trips each.
 */
MUST_CHECK enum err push_notice_write(struct ctx *ctx, struct homeserver *hs,
	const struct push_due *due, struct push_notice *out);

#endif
