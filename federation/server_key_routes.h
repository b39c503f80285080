/**
 * Keys of servers for other servers: this one's, and as a notary others'.
 * Spec: server-server API, "Retrieving server keys"
 */
#ifndef BELFRY_FEDERATION_SERVER_KEY_ROUTES_H
#define BELFRY_FEDERATION_SERVER_KEY_ROUTES_H

#include "http/route.h"

extern const struct route server_key_routes[];
extern const size_t server_key_route_count;

#endif
