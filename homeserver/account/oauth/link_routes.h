/**
 * The page where people type the code that a device without a browser shows.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_LINK_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_LINK_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route link_routes[];
extern const size_t link_route_count;

#endif
