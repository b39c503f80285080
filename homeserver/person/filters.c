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
	struct str filter_id, struct str *out_definition)
{
	int64_t id;
	struct cache *cache = hs->persons->filters;
	enum err err = ERR_MISSING;
	if (str_to_int(filter_id, 1, INT64_MAX, &id)) {
		if (filter_cache_get(cache, ctx->arena, user_id, id, out_definition)) {
			return ERR_OK;
		}
		err = store_filter_find(ctx, hs->db, user_id, id, out_definition);
	}
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such filter");
	}
	TRY(err);
	filter_cache_put(cache, ctx->arena, user_id, id, *out_definition);
	return ERR_OK;
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
