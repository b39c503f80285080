/**
 * Endpoints of snapshots and of the event stream.
 */
#ifndef BELFRY_HOMESERVER_INITIAL_SYNC_INITIAL_SYNC_ROUTES_H
#define BELFRY_HOMESERVER_INITIAL_SYNC_INITIAL_SYNC_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route initial_sync_routes[];
extern const size_t initial_sync_route_count;

#endif
