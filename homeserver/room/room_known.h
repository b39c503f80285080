/**
 * Looking up events of a room, whatever became of them. Inner to room/.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_KNOWN_H
#define BELFRY_HOMESERVER_ROOM_ROOM_KNOWN_H

#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"

/** A stored row as an event, kept in the cache. @param redactions  room_redactions() before it was read */
struct stored_event *room_load_row(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_row *row, int64_t redactions);
/** The same, but what is in memory already is left as it is. */
struct stored_event *room_take_row(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_row *row, int64_t redactions);

/**
 * room_known_events() without asking the database for some ids.
 * @param absent  ids that it did not have a moment ago (value: anything); NULL: none
 */
MUST_CHECK enum err room_known_events_but(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, const struct map *absent, struct known_event *out);

#endif
