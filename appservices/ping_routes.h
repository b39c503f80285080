/**
 * Whether an application service can be reached, asked by itself.
 * Spec: application-service API, "Pinging"
 */
#ifndef BELFRY_APPSERVICES_PING_ROUTES_H
#define BELFRY_APPSERVICES_PING_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route ping_routes[];
extern const size_t ping_route_count;

#endif
