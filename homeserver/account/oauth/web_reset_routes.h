/**
 * Endpoints of the pages for who has forgotten the password.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_RESET_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_RESET_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route web_reset_routes[];
extern const size_t web_reset_route_count;

#endif
