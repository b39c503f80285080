/**
 * The endpoint of messages to devices.
 */
#ifndef BELFRY_E2EE_TO_DEVICE_ROUTES_H
#define BELFRY_E2EE_TO_DEVICE_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route to_device_routes[];
extern const size_t to_device_route_count;

#endif
