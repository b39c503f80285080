/**
 * Administration of files.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_ADMIN_ROUTES_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_ADMIN_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route media_admin_routes[];
extern const size_t media_admin_route_count;

#endif
