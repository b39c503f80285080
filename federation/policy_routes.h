/**
 * Administrators decide with whom this server federates; not part of the specification.
 */
#ifndef BELFRY_FEDERATION_POLICY_ROUTES_H
#define BELFRY_FEDERATION_POLICY_ROUTES_H

#include "http/route.h"

extern const struct route policy_routes[];
extern const size_t policy_route_count;

#endif
