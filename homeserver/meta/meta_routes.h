/**
 * What the server says about itself: versions, discovery, capabilities, signing keys.
 */
#ifndef BELFRY_HOMESERVER_META_META_ROUTES_H
#define BELFRY_HOMESERVER_META_META_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route meta_routes[];
extern const size_t meta_route_count;

#endif
