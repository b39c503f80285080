/**
 * Pushers of the client-server API.
 */
#ifndef BELFRY_HOMESERVER_PUSHER_PUSHER_ROUTES_H
#define BELFRY_HOMESERVER_PUSHER_PUSHER_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route pusher_routes[];
extern const size_t pusher_route_count;

#endif
