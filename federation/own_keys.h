/**
 * The keys of this server as it publishes them.
 * Spec: server-server API, "Publishing Keys"
 */
#ifndef BELFRY_FEDERATION_OWN_KEYS_H
#define BELFRY_FEDERATION_OWN_KEYS_H

#include "homeserver/homeserver.h"

/** The answer of /_matrix/key/v2/server, signed: the current key and those before it. Canonical JSON in the arena. */
struct str own_keys_answer(struct arena *arena, const struct homeserver *hs);

#endif
