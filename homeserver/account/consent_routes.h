/**
 * The page at which users accept new terms; see consent_routes.c.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_CONSENT_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_CONSENT_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route consent_routes[];
extern const size_t consent_route_count;

#endif
