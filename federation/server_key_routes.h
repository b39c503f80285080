/**
 * The server's own keys for other servers.
 * Spec: server-server API, "Retrieving server keys"
 */
#ifndef BELFRY_FEDERATION_SERVER_KEY_ROUTES_H
#define BELFRY_FEDERATION_SERVER_KEY_ROUTES_H

#include "http/route.h"

extern const struct route server_key_routes[];
extern const size_t server_key_route_count;

#endif
