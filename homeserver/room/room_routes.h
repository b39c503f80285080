/**
 * Routes of rooms as a whole: creation, sending, aliases.
 */
#ifndef BELFRY_HOMESERVER_ROOM_ROOM_ROUTES_H
#define BELFRY_HOMESERVER_ROOM_ROOM_ROUTES_H

#include "http/route.h"

extern const struct route room_routes[];
extern const size_t room_route_count;

#endif
