/**
 * Where history shows events: places. The place of an event is its position, but that of one that came after what stands on it is a free
 * number below. Spec: client-server API, "Syncing": other APIs than /sync order by the event graph
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_PLACE_H
#define BELFRY_HOMESERVER_ROOM_ROOM_PLACE_H

#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"

/** Numbers that neither events nor places have: first to last, fewer than none when last < first. */
struct free_places {
	int64_t first;
	int64_t last;
};
/**
 * What is free below a place, for history: right below it, or below what stands there without a number between, as a branch does that was
 * moved, and history that was fetched at once. Of what is below zero (from before this server came) all down to the next event, which
 * may be as far as ROOM_OUTLIERS; what is above is free where ROOM_GAP_POSITIONS were left.
 * Errors: STORE. Cost: a round trip or two, and as much for each 250 events without a number between
 */
MUST_CHECK enum err room_free_places(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, struct free_places *out);

/** An event that was missing at a gap, or is above what stands on it by another way. */
struct late_event {
	const struct event *event;
	int64_t
		below; /**< place of the lowest event that stands on it; or its own, when only what it stands on has to move */
	bool moves_itself;
};
/**
 * What the event stands on and is shown above `below` is moved below it, and so is the event itself if need be: adds that to the write. The caller
 * has the turn, and nothing of the room is being written. Who has it committed asks room_refresh_gaps() afterwards.
 *
 * @param out_place  of the event, to be set by the caller; 0: it stays where it is, as does all else if too much had to be moved, or there is no place left
 * Errors: STORE.  Cost: one round trip that looks at what has to be moved, two more if there is something
 */
MUST_CHECK enum err room_order(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct late_event *late, struct write *write, int64_t *out_place);

/**
 * An event is no part of the timeline. If it was missing at a gap, what it stands on is missing there in its stead, or shown below. The
 * caller has the turn, and nothing of the room is being written.
 *
 * Errors: STORE.  Cost: none in a room without gaps; one round trip; a commit, and as room_order(), if it was missing
 */
MUST_CHECK enum err room_pass_gap(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *event);

#endif
