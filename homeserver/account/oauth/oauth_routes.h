/**
 * Endpoints of the OAuth 2.0 API that clients ask; see oauth_routes.c.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_ROUTES_H

#include "http/route.h"

extern const struct route oauth_routes[];
extern const size_t oauth_route_count;

#endif
