/**
 * Spaces of other servers, for our users.
 * Spec: server-server API, "Spaces"
 */
#ifndef BELFRY_FEDERATION_REMOTE_SPACE_H
#define BELFRY_FEDERATION_REMOTE_SPACE_H

#include "federation/federation.h"

/** Fills the port of spaces. */
void remote_space_fill_port(struct federation *federation);

#endif
