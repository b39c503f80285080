/**
 * Keys of this server's users and devices for other servers.
 * Spec: server-server API, "Device Management", "End-to-End Encryption"
 */
#ifndef BELFRY_FEDERATION_KEY_QUERY_ROUTES_H
#define BELFRY_FEDERATION_KEY_QUERY_ROUTES_H

#include "http/route.h"

extern const struct route key_query_routes[];
extern const size_t key_query_route_count;

#endif
