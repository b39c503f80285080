/**
 * Endpoints of devices.
 */
#ifndef BELFRY_HOMESERVER_DEVICE_DEVICE_ROUTES_H
#define BELFRY_HOMESERVER_DEVICE_DEVICE_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route device_routes[];
extern const size_t device_route_count;

#endif
