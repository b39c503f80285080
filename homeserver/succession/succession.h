/**
 * What a user takes along from a room to the one that has taken its place: tags, and the push rule for the room.
 * Spec: client-server API, "Room Upgrades" (silent about it; clients expect it)
 */
#ifndef BELFRY_HOMESERVER_SUCCESSION_SUCCESSION_H
#define BELFRY_HOMESERVER_SUCCESSION_SUCCESSION_H

#include "homeserver/homeserver.h"

/** For homeserver_ports.succession. */
struct succession_port succession_port(struct homeserver *hs);

#endif
