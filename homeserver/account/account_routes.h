/**
 * Endpoints of accounts: log-in, registration, log-out, password, deactivation.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_ACCOUNT_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_ACCOUNT_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route account_routes[];
extern const size_t account_route_count;

#endif
