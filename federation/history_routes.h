/**
 * What other servers ask about rooms in which they are.
 * Spec: server-server API, "Backfilling and retrieving missing events", "Retrieving events", "Retrieving event authorisation information"
 */
#ifndef BELFRY_FEDERATION_HISTORY_ROUTES_H
#define BELFRY_FEDERATION_HISTORY_ROUTES_H

#include "http/route.h"

extern const struct route history_routes[];
extern const size_t history_route_count;

#endif
