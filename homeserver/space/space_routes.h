/**
 * Routes of spaces and summaries.
 */
#ifndef BELFRY_HOMESERVER_SPACE_SPACE_ROUTES_H
#define BELFRY_HOMESERVER_SPACE_SPACE_ROUTES_H

#include "http/route.h"

extern const struct route space_routes[];
extern const size_t space_route_count;

#endif
