/**
 * Snapshots: all of a user's rooms, or one room that the user may read.
 * Spec: client-server API, "Room Previews"; GET /initialSync and GET /rooms/{roomId}/initialSync
 */
#ifndef BELFRY_HOMESERVER_INITIAL_SYNC_INITIAL_SYNC_H
#define BELFRY_HOMESERVER_INITIAL_SYNC_INITIAL_SYNC_H

#include "homeserver/timeline/timeline.h"
#include "homeserver/user/users.h"

enum { INITIAL_SYNC_DEFAULT_LIMIT = 10, INITIAL_SYNC_MAX_LIMIT = 100 };

struct initial_sync_ask {
	const struct principal *who;
	size_t limit;     /**< messages of each room */
	bool is_archived; /**< rooms that the user has left too */
};

/**
 * The user, and a position up to which what it says of its rooms is good.
 * @param out  reference until the arena is reset
 * Errors: STORE
 */
MUST_CHECK enum err initial_sync_begin(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct user **out, int64_t *out_position);

/**
 * Writes the answer for all rooms of the user. Nothing is written when it fails.
 * Errors: STORE     Cost: 3 round trips, 2 for each room; 3 more for each that is not loaded.
 */
MUST_CHECK enum err initial_sync_all(struct ctx *ctx, struct homeserver *hs,
	const struct initial_sync_ask *ask, struct json_out *out);

/**
 * Writes the answer for one room: as it is for members and who peeks, as it was for who has left.
 * Errors: DENIED M_FORBIDDEN, also for unknown rooms; STORE
 */
MUST_CHECK enum err initial_sync_room(struct ctx *ctx, struct homeserver *hs,
	const struct initial_sync_ask *ask, struct str room_id, struct json_out *out);

#endif
