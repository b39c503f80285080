/**
 * Transactions of other servers.
 * Spec: server-server API, "Transactions"
 */
#ifndef BELFRY_FEDERATION_INBOX_ROUTES_H
#define BELFRY_FEDERATION_INBOX_ROUTES_H

#include "http/route.h"

extern const struct route inbox_routes[];
extern const size_t inbox_route_count;

#endif
