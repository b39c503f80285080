/**
 * Users of other servers coming into rooms and leaving them, and invites to ours.
 * Spec: server-server API, "Joining Rooms", "Knocking upon a room", "Inviting to a room", "Leaving Rooms", "Third-party invites"
 */
#ifndef BELFRY_FEDERATION_MEMBERSHIP_ROUTES_H
#define BELFRY_FEDERATION_MEMBERSHIP_ROUTES_H

#include "http/route.h"

extern const struct route membership_routes[];
extern const size_t membership_route_count;

#endif
