/**
 * Look-ups on bridged networks.
 * Spec: client-server API, "Third-party Lookups"
 */
#ifndef BELFRY_APPSERVICES_THIRDPARTY_ROUTES_H
#define BELFRY_APPSERVICES_THIRDPARTY_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route thirdparty_routes[];
extern const size_t thirdparty_route_count;

#endif
