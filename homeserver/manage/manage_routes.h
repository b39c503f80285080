/**
 * The account management page.
 */
#ifndef BELFRY_HOMESERVER_MANAGE_MANAGE_ROUTES_H
#define BELFRY_HOMESERVER_MANAGE_MANAGE_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route manage_routes[];
extern const size_t manage_route_count;

#endif
