/**
 * The page to which programs send browsers, where people say whether they may use their account.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_AUTHORIZE_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_AUTHORIZE_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route authorize_routes[];
extern const size_t authorize_route_count;

#endif
