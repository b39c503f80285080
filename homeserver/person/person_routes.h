/**
 * Routes of profiles, account data, tags, filters, and the (predefined) push rules.
 */
#ifndef BELFRY_HOMESERVER_PERSON_PERSON_ROUTES_H
#define BELFRY_HOMESERVER_PERSON_PERSON_ROUTES_H

#include "http/route.h"

extern const struct route person_routes[];
extern const size_t person_route_count;

#endif
