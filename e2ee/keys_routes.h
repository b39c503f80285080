/**
 * Endpoints of device keys.
 */
#ifndef BELFRY_E2EE_KEYS_ROUTES_H
#define BELFRY_E2EE_KEYS_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route keys_routes[];
extern const size_t keys_route_count;

#endif
