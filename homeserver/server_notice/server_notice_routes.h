/**
 * Endpoints of server notices; see server_notice_routes.c.
 */
#ifndef BELFRY_HOMESERVER_SERVER_NOTICE_SERVER_NOTICE_ROUTES_H
#define BELFRY_HOMESERVER_SERVER_NOTICE_SERVER_NOTICE_ROUTES_H

#include "http/route.h"

extern const struct route server_notice_routes[];
extern const size_t server_notice_route_count;

#endif
