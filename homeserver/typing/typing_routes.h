/**
 * The route of typing notifications.
 */
#ifndef BELFRY_HOMESERVER_TYPING_TYPING_ROUTES_H
#define BELFRY_HOMESERVER_TYPING_TYPING_ROUTES_H

#include "http/route.h"

extern const struct route typing_routes[];
extern const size_t typing_route_count;

#endif
