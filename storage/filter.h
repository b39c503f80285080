/**
 * Filters that clients have stored.
 */
#ifndef BELFRY_STORAGE_FILTER_H
#define BELFRY_STORAGE_FILTER_H

#include "storage/db.h"

/** Errors: MISSING; STORE. */
MUST_CHECK enum err store_filter_find(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t filter_id, struct str *out_definition);
/**
 * Stores a definition; an equal one of the same user keeps its id. One or two round trips.
 * @param hash  SHA-256 of the definition
 * Errors: CONFLICT (somebody stored at the same moment: try again); STORE
 */
MUST_CHECK enum err store_filter_add(struct ctx *ctx, struct db *db, struct str user_id,
	struct str definition, struct str hash, int64_t *out_filter_id);

#endif
