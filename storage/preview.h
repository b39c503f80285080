/**
 * Previews of web pages, kept for a while.
 */
#ifndef BELFRY_STORAGE_PREVIEW_H
#define BELFRY_STORAGE_PREVIEW_H

#include "storage/db.h"

/**
 * @param url_sha256  32 bytes
 * @param out_answer  JSON; p == NULL: the page could not be fetched
 * Errors: MISSING (no fault text) when there is none that still counts; STORE
 */
MUST_CHECK enum err store_preview_find(struct ctx *ctx, struct db *db, struct str url_sha256,
	int64_t now_ms, struct str *out_answer);

/** Replaces an older one. @param answer  p == NULL: the page could not be fetched */
MUST_CHECK enum err store_preview_set(struct ctx *ctx, struct db *db, struct str url_sha256,
	struct str answer, int64_t expires_ms);

/** Forgets those whose time was over before `before_ms` (wall clock). Errors: STORE     Cost: one round trip */
MUST_CHECK enum err store_preview_delete_expired(struct ctx *ctx, struct db *db, int64_t before_ms);

#endif
