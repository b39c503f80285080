/**
 * Routes of room state.
 */
#ifndef BELFRY_HOMESERVER_ROOM_STATE_ROUTES_H
#define BELFRY_HOMESERVER_ROOM_STATE_ROUTES_H

#include "http/route.h"

extern const struct route state_routes[];
extern const size_t state_route_count;

#endif
