/**
 * The one stream of positions, as all processes on the database see it.
 */
#ifndef BELFRY_STORAGE_STREAM_H
#define BELFRY_STORAGE_STREAM_H

#include "storage/db.h"

/** The newest position that any process has given out and committed. One round trip. Errors: STORE */
MUST_CHECK enum err store_stream_position(struct ctx *ctx, struct db *db, int64_t *out);

/**
 * Lets all processes look at what they read of the database now and then: a command has changed something. One round trip. Errors: STORE
 */
MUST_CHECK enum err store_stream_look(struct ctx *ctx, struct db *db);

#endif
