/**
 * Answers of other servers that are kept for a while, so that many readers ask once.
 */
#ifndef BELFRY_FEDERATION_ANSWERS_H
#define BELFRY_FEDERATION_ANSWERS_H

#include "base/clock.h"
#include "base/ctx.h"
#include "base/json.h"

struct answers;

/** @param name  in metrics; static */
struct answers *answers_create(const struct clock *clock, const char *name, size_t budget_bytes);
void answers_destroy(struct answers *answers);

/**
 * What is kept under a key, in the ctx's arena; JSON_NULL where the other server said that there is nothing.
 * @return false when there is none, or it is too old
 */
bool answers_get(struct ctx *ctx, struct answers *answers, struct str key, struct json *out);
/** @param value  copied */
void answers_put(struct ctx *ctx, struct answers *answers, struct str key, const struct json *value,
	int64_t lifetime_ms);

#endif
