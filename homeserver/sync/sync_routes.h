/**
 * The endpoint of sync.
 */
#ifndef BELFRY_HOMESERVER_SYNC_SYNC_ROUTES_H
#define BELFRY_HOMESERVER_SYNC_SYNC_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route sync_routes[];
extern const size_t sync_route_count;

#endif
