/**
 * Positions of sliding sync's connections: what each client had been told by then. Of a connection there are two at the most: the one with which the
 * client came last, and the one after it. Losing one costs a client no more than to begin anew.
 */
#ifndef BELFRY_STORAGE_SLIDING_H
#define BELFRY_STORAGE_SLIDING_H

#include "storage/db.h"

enum { SLIDING_CONNECTIONS_MAX = 16 }; /**< of a device; of more the oldest go */

/** Whose loop of requests. */
struct sliding_connection {
	struct str user_id;
	struct str device_id;
	struct str conn_id; /**< as the client calls it; empty where it does not */
};

/** State of a position (matrix/sliding_state.h), borrowed from the result. Errors: MISSING (no fault text): the connection has no such position; STORE.  Cost: one round trip */
MUST_CHECK enum err store_sliding_find(struct ctx *ctx, struct db *db,
	const struct sliding_connection *connection, int64_t position_nid, struct str *out_state);

/**
 * A new position. All others of the connection go but the one with which the client came; with the first one of a connection the device's oldest connections, if there are too many.
 * Of two that are added at the same moment both stay until the next one.
 * @param came_with  0: the client begins
 * @param out_nid    never 0, and never one that the connection has had
 * Errors: CONFLICT (no fault text): the device has ended; STORE.  Cost: one round trip and its commit
 */
MUST_CHECK enum err store_sliding_add(struct ctx *ctx, struct db *db,
	const struct sliding_connection *connection, int64_t came_with, struct str state,
	int64_t *out_nid);

#endif
