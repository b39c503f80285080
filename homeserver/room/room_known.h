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

#endif
