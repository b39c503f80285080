/**
 * The route of searches.
 */
#ifndef BELFRY_HOMESERVER_SEARCH_SEARCH_ROUTES_H
#define BELFRY_HOMESERVER_SEARCH_SEARCH_ROUTES_H

#include "http/route.h"

extern const struct route search_routes[];
extern const size_t search_route_count;

#endif
