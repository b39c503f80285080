/**
 * Endpoints that find events by what they relate to, or by time.
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_RELATION_ROUTES_H
#define BELFRY_HOMESERVER_TIMELINE_RELATION_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route relation_routes[];
extern const size_t relation_route_count;

#endif
