/**
 * Files of this server for other servers.
 * Spec: server-server API, "Content Repository"
 */
#ifndef BELFRY_FEDERATION_FED_MEDIA_ROUTES_H
#define BELFRY_FEDERATION_FED_MEDIA_ROUTES_H

#include "http/route.h"

extern const struct route fed_media_routes[];
extern const size_t fed_media_route_count;

#endif
