/**
 * Endpoints by which users report content.
 */
#ifndef BELFRY_HOMESERVER_REPORT_REPORT_ROUTES_H
#define BELFRY_HOMESERVER_REPORT_REPORT_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route report_routes[];
extern const size_t report_route_count;

#endif
