/**
 * What this server says of itself to other servers: which program it is, and where it is reached.
 * Spec: server-server API, "Server implementation", "Server discovery"
 */
#ifndef BELFRY_FEDERATION_SERVER_INFO_ROUTES_H
#define BELFRY_FEDERATION_SERVER_INFO_ROUTES_H

#include "http/route.h"

extern const struct route server_info_routes[];
extern const size_t server_info_route_count;

#endif
