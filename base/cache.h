/**
 * Sharded map from byte strings to reference-counted values, with a byte budget.
 */
#ifndef BELFRY_BASE_CACHE_H
#define BELFRY_BASE_CACHE_H

#include "base/str.h"

struct cache;

struct cache_ops {
	void (*ref)(void *value);   /**< takes a reference */
	void (*unref)(void *value); /**< drops one */
};

/** @param budget_bytes  sum of the sizes given to cache_put; those that came early and were not asked for lately go first */
struct cache *cache_create(const char *name, size_t budget_bytes, struct cache_ops ops);
/** Drops all values. NULL does nothing. */
void cache_destroy(struct cache *cache);

/** The value with a reference taken for the caller, or NULL. */
void *cache_get(struct cache *cache, struct str key);
/** Stores (replacing), taking a reference of its own. */
void cache_put(struct cache *cache, struct str key, void *value, size_t size_bytes);
void cache_remove(struct cache *cache, struct str key);
void cache_clear(struct cache *cache);

#endif
