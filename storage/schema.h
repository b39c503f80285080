/**
 * The schema that this program has embedded.
 */
#ifndef BELFRY_STORAGE_SCHEMA_H
#define BELFRY_STORAGE_SCHEMA_H

#include "base/ctx.h"

/** Brings a database up to date: migrate_run() with the embedded migrations; the same errors. */
MUST_CHECK enum err schema_update(struct ctx *ctx, struct str url);

/** A short text that changes with any migration, fit for a file's name; in the arena. */
struct str schema_digest(struct arena *arena);

/** How many migrations there are. */
size_t schema_count(void);

#endif
