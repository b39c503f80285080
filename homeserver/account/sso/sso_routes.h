/**
 * Endpoints of signing in by an identity provider; see sso_routes.c.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route sso_routes[];
extern const size_t sso_route_count;

#endif
