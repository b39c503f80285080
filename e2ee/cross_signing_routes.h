/**
 * Endpoints of cross-signing.
 */
#ifndef BELFRY_E2EE_CROSS_SIGNING_ROUTES_H
#define BELFRY_E2EE_CROSS_SIGNING_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route cross_signing_routes[];
extern const size_t cross_signing_route_count;

#endif
