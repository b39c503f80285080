/**
 * Filters in memory, parsed: clients name the same one in each sync. What a key stands for never changes, so nothing is
 * ever taken back.
 */
#ifndef BELFRY_HOMESERVER_PERSON_FILTER_CACHE_H
#define BELFRY_HOMESERVER_PERSON_FILTER_CACHE_H

#include "base/arena.h"
#include "base/cache.h"
#include "homeserver/person/persons.h"

/** Destroy with cache_destroy(). */
struct cache *filter_cache_create(void);

/** Key of a stored filter, and of one that a client wrote out. In the arena. */
struct str filter_cache_key(struct arena *arena, struct str user_id, int64_t filter_id);
struct str filter_cache_inline_key(struct arena *arena, struct str definition);

/** With a reference for the caller; NULL when it is not there. */
struct shared_filter *filter_cache_get(struct cache *cache, struct str key);

/**
 * Parses a definition and keeps it; both are copied.
 *
 * @param out  with a reference for the caller
 * Errors: INPUT M_NOT_JSON, or what filter_parse() says
 */
MUST_CHECK enum err filter_cache_add(struct ctx *ctx, struct cache *cache, struct str key,
	struct str definition, struct shared_filter **out);

#endif
