/**
 * Routes of events that are to be sent later.
 * Spec: MSC4140
 */
#ifndef BELFRY_HOMESERVER_ROOM_DELAYED_ROUTES_H
#define BELFRY_HOMESERVER_ROOM_DELAYED_ROUTES_H

#include "homeserver/room/room_delayed.h"
#include "http/route.h"

extern const struct route delayed_routes[];
extern const size_t delayed_route_count;

/**
 * The delay that a request to send an event may have in its query.
 * @param out_ms  0: none, it is to be sent at once
 * Errors: INPUT M_INVALID_PARAM
 */
MUST_CHECK enum err delay_read(struct call *call, int64_t *out_ms);

/** Keeps the event of a request, and answers. Errors: as room_delay() */
MUST_CHECK enum err delay_reply(struct call *call, const struct delayed_wish *wish);

#endif
