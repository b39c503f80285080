/**
 * Endpoints of the content repository.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_ROUTES_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route media_routes[];
extern const size_t media_route_count;

#endif
