/**
 * Definitions of stored filters in memory: clients name the same one in each sync. A definition never changes under its id, so
 * nothing is ever taken back.
 */
#ifndef BELFRY_HOMESERVER_PERSON_FILTER_CACHE_H
#define BELFRY_HOMESERVER_PERSON_FILTER_CACHE_H

#include "base/arena.h"
#include "base/cache.h"

/** Destroy with cache_destroy(). */
struct cache *filter_cache_create(void);

/** Copies the definition into the arena. @return false when it is not there */
bool filter_cache_get(struct cache *cache, struct arena *arena, struct str user_id,
	int64_t filter_id, struct str *out_definition);

/** Keeps a copy. */
void filter_cache_put(struct cache *cache, struct arena *arena, struct str user_id,
	int64_t filter_id, struct str definition);

#endif
