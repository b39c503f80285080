/**
 * Endpoints of server notices; see notice_routes.c.
 */
#ifndef BELFRY_HOMESERVER_NOTICE_NOTICE_ROUTES_H
#define BELFRY_HOMESERVER_NOTICE_NOTICE_ROUTES_H

#include "http/route.h"

extern const struct route notice_routes[];
extern const size_t notice_route_count;

#endif
