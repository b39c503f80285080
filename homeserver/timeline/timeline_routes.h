/**
 * Endpoints that read a room's history and members.
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_TIMELINE_ROUTES_H
#define BELFRY_HOMESERVER_TIMELINE_TIMELINE_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route timeline_routes[];
extern const size_t timeline_route_count;

#endif
