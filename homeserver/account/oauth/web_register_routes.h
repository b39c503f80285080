/**
 * Endpoints of the page on which people make themselves an account.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_REGISTER_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_REGISTER_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route web_register_routes[];
extern const size_t web_register_route_count;

#endif
