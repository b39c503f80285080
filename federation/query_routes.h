/**
 * What other servers ask about this one: aliases, profiles, published rooms, spaces.
 * Spec: server-server API, "Querying for information", "Published Room Directory", "Spaces"
 */
#ifndef BELFRY_FEDERATION_QUERY_ROUTES_H
#define BELFRY_FEDERATION_QUERY_ROUTES_H

#include "http/route.h"

extern const struct route query_routes[];
extern const size_t query_route_count;

#endif
