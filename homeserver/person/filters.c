/*
 * Stored filters: checked when they come in, so that a sync can rely on them.
 */
#include "homeserver/person/filters.h"

#include "base/crypto.h"
#include "homeserver/person/filter_cache.h"
#include "homeserver/person/persons_inner.h"
#include "matrix/canonical.h"
#include "matrix/filter.h"
#include "storage/filter.h"

enum { STORE_ATTEMPTS = 20 };

enum err filter_load(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str filter_id, struct shared_filter **out)
{
	int64_t id;
	struct cache *cache = hs->persons->filters;
	if (!str_to_int(filter_id, 1, INT64_MAX, &id)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such filter");
	}
	struct str key = filter_cache_key(ctx->arena, user_id, id);
	*out = filter_cache_get(cache, key);
	if (*out != NULL) {
		return ERR_OK;
	}
	struct str definition;
	enum err err = store_filter_find(ctx, hs->db, user_id, id, &definition);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such filter");
	}
	TRY(err);
	return filter_cache_add(ctx, cache, key, definition, out);
}

static enum err load_inline(struct ctx *ctx, struct homeserver *hs, struct str definition,
	struct shared_filter **out)
{
	struct cache *cache = hs->persons->filters;
	if (definition.n > FILTER_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The filter is too large");
	}
	struct str key = filter_cache_inline_key(ctx->arena, definition);
	*out = filter_cache_get(cache, key);
	return *out != NULL ? ERR_OK : filter_cache_add(ctx, cache, key, definition, out);
}

enum err filter_load_named(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str name, struct shared_filter **out)
{
	return name.n == 0 || name.p[0] == '{'
		? load_inline(ctx, hs, name.n == 0 ? STR("{}") : name, out)
		: filter_load(ctx, hs, user_id, name, out);
}

enum err filter_store(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct json *definition, struct str *out_filter_id)
{
	struct filter filter;
	struct field_error error;
	if (!filter_parse(ctx->arena, definition, &filter, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field), error.text);
	}
	struct str text = canonical_text(ctx->arena, definition);
	if (text.n > FILTER_MAX_BYTES) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "The filter is too large");
	}
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(text, hash);
	int64_t id = 0;
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < STORE_ATTEMPTS && err == ERR_CONFLICT; i++) {
		err = store_filter_add(ctx, hs->db, user_id, text,
			str_from((const char *)hash, sizeof(hash)), &id);
	}
	TRY(err);
	*out_filter_id = str_printf(ctx->arena, "%lld", (long long)id);
	return ERR_OK;
}
