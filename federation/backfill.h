/**
 * History that other servers of a room have, for clients that page back, or want an event by its id or time: the port of the
 * timeline.
 * Spec: server-server API, "Backfilling and retrieving missing events", "Retrieving events"
 */
#ifndef BELFRY_FEDERATION_BACKFILL_H
#define BELFRY_FEDERATION_BACKFILL_H

#include "federation/federation.h"

struct backfill;

/** Fills the port of history. */
struct backfill *backfill_create(struct federation *federation);
void backfill_destroy(struct backfill *backfill);

#endif
