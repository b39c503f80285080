/**
 * The API by which other programs post notices: docs/notices-api.md.
 */
#ifndef BELFRY_NOTICES_NOTICE_ROUTES_H
#define BELFRY_NOTICES_NOTICE_ROUTES_H

#include "http/route.h"

extern const struct route notice_routes[];
extern const size_t notice_route_count;

#endif
