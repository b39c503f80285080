/*
 * One entry a filter; values are immutable, so a reader needs the reference for the time of copying only.
 */
#include "homeserver/person/filter_cache.h"

#include <string.h>

#include "base/mem.h"
#include "base/refc.h"

enum { CACHE_BUDGET_BYTES = 16 * 1024 * 1024 };

struct cached_filter {
	struct refc refc;
	size_t n;
	char text[];
};

static void ref_filter(void *value)
{
	refc_take(&((struct cached_filter *)value)->refc);
}

static void unref_filter(void *value)
{
	struct cached_filter *filter = value;
	if (refc_drop(&filter->refc)) {
		mem_free(filter);
	}
}

struct cache *filter_cache_create(void)
{
	return cache_create("filters", CACHE_BUDGET_BYTES,
		(struct cache_ops){.ref = ref_filter, .unref = unref_filter});
}

static struct str key_of(struct arena *arena, struct str user_id, int64_t filter_id)
{
	return str_printf(arena, "%lld %.*s", (long long)filter_id, STR_ARG(user_id));
}

bool filter_cache_get(struct cache *cache, struct arena *arena, struct str user_id,
	int64_t filter_id, struct str *out_definition)
{
	struct cached_filter *filter = cache_get(cache, key_of(arena, user_id, filter_id));
	if (filter == NULL) {
		return false;
	}
	*out_definition = str_dup(arena, str_from(filter->text, filter->n));
	unref_filter(filter);
	return true;
}

void filter_cache_put(struct cache *cache, struct arena *arena, struct str user_id,
	int64_t filter_id, struct str definition)
{
	struct cached_filter *filter = mem_alloc(sizeof(*filter) + definition.n);
	refc_init(&filter->refc);
	filter->n = definition.n;
	memcpy(filter->text, definition.p, definition.n); /* a JSON object: never empty */
	cache_put(cache, key_of(arena, user_id, filter_id), filter, sizeof(*filter) + filter->n);
	unref_filter(filter);
}
