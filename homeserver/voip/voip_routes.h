/**
 * Endpoints of calls; see voip_routes.c.
 */
#ifndef BELFRY_HOMESERVER_VOIP_VOIP_ROUTES_H
#define BELFRY_HOMESERVER_VOIP_VOIP_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route voip_routes[];
extern const size_t voip_route_count;

#endif
