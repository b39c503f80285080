/**
 * The rooms that targets of a notice stand for at this moment.
 */
#ifndef BELFRY_NOTICES_NOTICE_ROOMS_H
#define BELFRY_NOTICES_NOTICE_ROOMS_H

#include "homeserver/homeserver.h"
#include "storage/notice.h"

/** A room, or a target that leads to none. */
struct notice_room {
	struct str room_id;   /**< or the target */
	struct str languages; /**< of the target */
	struct str reason;    /**< empty: it is a room; else why there is none */
};

/**
 * Each room once, with the languages of the first target that leads to it. A space stands for the rooms in it and in
 * the spaces in it, three deep; not for itself.
 *
 * @param out  in the ctx's arena
 * Errors: STORE, TIMEOUT, SHUTDOWN: nothing is known
 * Cost: 1 round trip an alias, 2 for each room that is not in memory
 */
MUST_CHECK enum err notice_rooms_find(struct ctx *ctx, struct homeserver *hs,
	const struct notice_target_row *targets, size_t count, struct notice_room **out,
	size_t *out_count);

#endif
