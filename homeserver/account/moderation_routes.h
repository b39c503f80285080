/**
 * Endpoints of server administration; see moderation_routes.c.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_MODERATION_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_MODERATION_ROUTES_H

#include "http/route.h"

extern const struct route moderation_routes[];
extern const size_t moderation_route_count;

#endif
