/*
 * One entry a filter. A filter views its definition's JSON tree, so each has an arena of its own, which goes with it.
 */
#include "homeserver/person/filter_cache.h"

#include "base/mem.h"

enum {
	CACHE_BUDGET_BYTES = 16 * 1024 * 1024,
	PARSED_FACTOR = 8, /* tree and lists of a filter against its text, at a guess */
	ENTRY_BYTES = 2048,
};

static void ref_filter(void *value)
{
	refc_take(&((struct shared_filter *)value)->refc);
}

static void unref_filter(void *value)
{
	shared_filter_unref(value);
}

void shared_filter_unref(struct shared_filter *filter)
{
	if (filter != NULL && refc_drop(&filter->refc)) {
		arena_destroy(filter->arena);
		mem_free(filter);
	}
}

struct cache *filter_cache_create(void)
{
	return cache_create("filters", CACHE_BUDGET_BYTES,
		(struct cache_ops){.ref = ref_filter, .unref = unref_filter});
}

struct str filter_cache_key(struct arena *arena, struct str user_id, int64_t filter_id)
{
	struct str id = str_from((const char *)&filter_id, sizeof(filter_id));
	return str_concat(arena, (const struct str[]){STR("#"), id, user_id}, 3);
}

struct str filter_cache_inline_key(struct arena *arena, struct str definition)
{
	return str_concat(arena, (const struct str[]){STR("="), definition}, 2);
}

struct shared_filter *filter_cache_get(struct cache *cache, struct str key)
{
	return cache_get(cache, key);
}

static enum err parse(struct ctx *ctx, struct shared_filter *filter)
{
	struct json *json = ARENA_NEW(filter->arena, struct json);
	struct field_error error;
	if (json_parse(filter->arena, filter->definition, NULL, json, NULL) != JSON_OK) {
		return fail(ctx, ERR_INPUT, M_NOT_JSON, "The filter is not valid JSON");
	}
	if (!filter_parse(filter->arena, json, &filter->filter, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "filter: %.*s %s", STR_ARG(error.field),
			error.text);
	}
	return ERR_OK;
}

enum err filter_cache_add(struct ctx *ctx, struct cache *cache, struct str key,
	struct str definition, struct shared_filter **out)
{
	struct shared_filter *filter = mem_alloc(sizeof(*filter));
	refc_init(&filter->refc);
	filter->arena = arena_create();
	filter->definition = str_dup(filter->arena, definition);
	enum err err = parse(ctx, filter);
	if (err != ERR_OK) {
		shared_filter_unref(filter);
		return err;
	}
	cache_put(cache, key, filter, ENTRY_BYTES + key.n + definition.n * PARSED_FACTOR);
	*out = filter;
	return ERR_OK;
}
