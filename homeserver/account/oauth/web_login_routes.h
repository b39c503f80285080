/**
 * Pages to sign in to and out of the pages of this server.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_LOGIN_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_LOGIN_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route web_login_routes[];
extern const size_t web_login_route_count;

#endif
