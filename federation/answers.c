/*
 * Kept as text: small, and nothing of it is shared with who reads it.
 */
#include "federation/answers.h"

#include <string.h>

#include "base/cache.h"
#include "base/mem.h"
#include "base/refc.h"
#include "matrix/canonical.h"

struct answers {
	const struct clock *clock;
	struct cache *cache;
};

struct kept {
	struct refc refc;
	int64_t expires_ms; /* monotonic */
	size_t n;
	char text[];
};

static void kept_ref(void *value)
{
	refc_take(&((struct kept *)value)->refc);
}

static void kept_unref(void *value)
{
	struct kept *kept = value;
	if (refc_drop(&kept->refc)) {
		mem_free(kept);
	}
}

struct answers *answers_create(const struct clock *clock, const char *name, size_t budget_bytes)
{
	struct answers *answers = mem_alloc(sizeof(*answers));
	answers->clock = clock;
	answers->cache =
		cache_create(name, budget_bytes, (struct cache_ops){.ref = kept_ref, .unref = kept_unref});
	return answers;
}

void answers_destroy(struct answers *answers)
{
	if (answers != NULL) {
		cache_destroy(answers->cache);
		mem_free(answers);
	}
}

bool answers_get(struct ctx *ctx, struct answers *answers, struct str key, struct json *out)
{
	struct kept *kept = cache_get(answers->cache, key);
	bool is_good = kept != NULL && clock_mono_ms(answers->clock) < kept->expires_ms;
	if (is_good) {
		struct str text = str_dup(ctx->arena, str_from(kept->text, kept->n));
		is_good = json_parse(ctx->arena, text, NULL, out, NULL) == JSON_OK;
	}
	if (kept != NULL) {
		kept_unref(kept);
	}
	return is_good;
}

void answers_put(struct ctx *ctx, struct answers *answers, struct str key, const struct json *value,
	int64_t lifetime_ms)
{
	struct str text = canonical_text(ctx->arena, value);
	struct kept *kept = mem_alloc(sizeof(*kept) + text.n);
	refc_init(&kept->refc);
	kept->expires_ms = clock_mono_ms(answers->clock) + lifetime_ms;
	kept->n = text.n;
	memcpy(kept->text, text.p, text.n);
	cache_put(answers->cache, key, kept, sizeof(*kept) + text.n + key.n);
	kept_unref(kept);
}
