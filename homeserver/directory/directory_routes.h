/**
 * Routes of the directories.
 */
#ifndef BELFRY_HOMESERVER_DIRECTORY_DIRECTORY_ROUTES_H
#define BELFRY_HOMESERVER_DIRECTORY_DIRECTORY_ROUTES_H

#include "http/route.h"

extern const struct route directory_routes[];
extern const size_t directory_route_count;

#endif
