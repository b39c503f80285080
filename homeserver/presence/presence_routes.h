/**
 * Endpoints of presence.
 */
#ifndef BELFRY_HOMESERVER_PRESENCE_PRESENCE_ROUTES_H
#define BELFRY_HOMESERVER_PRESENCE_PRESENCE_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route presence_routes[];
extern const size_t presence_route_count;

#endif
