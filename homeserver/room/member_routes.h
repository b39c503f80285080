/**
 * Routes of membership.
 */
#ifndef BELFRY_HOMESERVER_ROOM_MEMBER_ROUTES_H
#define BELFRY_HOMESERVER_ROOM_MEMBER_ROUTES_H

#include "http/route.h"

extern const struct route member_routes[];
extern const size_t member_route_count;

#endif
