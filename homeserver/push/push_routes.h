/**
 * Push rules of the client-server API.
 */
#ifndef BELFRY_HOMESERVER_PUSH_PUSH_ROUTES_H
#define BELFRY_HOMESERVER_PUSH_PUSH_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route push_routes[];
extern const size_t push_route_count;

#endif
