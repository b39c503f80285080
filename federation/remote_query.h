/**
 * Questions to other servers for our users: profiles, published rooms.
 * Spec: server-server API, "Querying for information", "Published Room Directory"
 */
#ifndef BELFRY_FEDERATION_REMOTE_QUERY_H
#define BELFRY_FEDERATION_REMOTE_QUERY_H

#include "federation/federation.h"

/** Fills the ports of profiles and of the room directory. */
void remote_query_fill_ports(struct federation *federation);

#endif
