/**
 * Feeds and calendars that are asked at intervals, and what of them is known (docs/notices.md). One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_SOURCE_H
#define BELFRY_STORAGE_NOTICE_SOURCE_H

#include "storage/db.h"

struct notice_source_row {
	int64_t source_id; /**< when read */
	struct str sender;
	struct str targets; /**< with spaces between them */
	struct str url;
	struct str language; /**< empty: not said */
	int64_t every_ms;
	int64_t days_before;
	struct str at_time; /**< "07:00" */
	int64_t created_at_ms;
	/* When read. */
	int64_t next_at_ms;
	bool is_primed; /**< what was there at first is known */
	struct str title;
	struct str etag, modified; /**< p == NULL: none */
	int64_t asked_at_ms;       /**< when it answered last; 0: never */
	int64_t failures;          /**< in a row */
	struct str problem;        /**< p == NULL: none */
	int64_t posted;            /**< items that became notices */
};
/** Errors: LIMIT (no fault text) when there are `limit`; STORE */
MUST_CHECK enum err store_notice_source_insert(struct ctx *ctx, struct db *db,
	const struct notice_source_row *row, int64_t limit, int64_t *out_source_id);
/** All, oldest first. */
MUST_CHECK enum err store_notice_source_list(struct ctx *ctx, struct db *db,
	struct notice_source_row **out, size_t *out_count);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_source_get(struct ctx *ctx, struct db *db, int64_t source_id,
	struct notice_source_row *out);
/** The calendar that was read last; p == NULL: none. */
MUST_CHECK enum err store_notice_source_body(struct ctx *ctx, struct db *db, int64_t source_id,
	struct str *out);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_source_delete(struct ctx *ctx, struct db *db, int64_t source_id);
/** It is to be asked at once. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_source_ask(struct ctx *ctx, struct db *db, int64_t source_id,
	int64_t now_ms);

/** When one is to be asked; INT64_MAX: there is none. */
MUST_CHECK enum err store_notice_source_next(struct ctx *ctx, struct db *db, int64_t *out_ms);
/** Up to `limit` that are to be asked, longest first. */
MUST_CHECK enum err store_notice_source_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, int64_t **out, size_t *out_count);

/** An item that is known. */
struct notice_source_item_row {
	struct str key; /**< SHA-256, in Base64 */
	struct str version;
	bool is_posted; /**< when found by its key */
	struct str title;
	int64_t starts_at_ms; /**< 0: no event, or one that is cancelled */
};
/** Those of the keys that are known, in no order. */
MUST_CHECK enum err store_notice_source_items_find(struct ctx *ctx, struct db *db,
	int64_t source_id, const struct str *keys, size_t count, struct notice_source_item_row **out,
	size_t *out_count);
/** Events that were posted and begin later, in that order; without their versions. */
MUST_CHECK enum err store_notice_source_items_coming(struct ctx *ctx, struct db *db,
	int64_t source_id, int64_t now_ms, int64_t limit, struct notice_source_item_row **out,
	size_t *out_count);

/** An item that is to become a notice. */
struct notice_source_post {
	int64_t source_id;
	struct notice_source_item_row item;
	struct str texts; /**< of the notice */
	struct str zone;
	int64_t expires_at_ms; /**< 0: never */
	int64_t now_ms;
	int64_t limit; /**< notices of the sender that may be due */
};
/**
 * It becomes known and a notice, both or neither.
 * @param out_notice_id  0: neither, since it is known in that version, the source is gone, or too much is due
 */
MUST_CHECK enum err store_notice_source_post(struct ctx *ctx, struct db *db,
	const struct notice_source_post *post, int64_t *out_notice_id);

/** What the source was found to be. */
struct notice_source_taken {
	int64_t source_id;
	const struct str *keys;     /**< of items that are known from now on */
	const struct str *versions; /**< of each */
	size_t count;
	struct str title;
	struct str etag, modified; /**< p == NULL: none */
	struct str body;           /**< p == NULL: as it was */
	struct str problem;        /**< p == NULL: none */
	int64_t now_ms, next_at_ms;
};
/** Notes an answer and when to ask again: its items are known from now on, without a notice of them. Errors: STORE. */
MUST_CHECK enum err store_notice_source_took(struct ctx *ctx, struct db *db,
	const struct notice_source_taken *taken);
/** Notes that it could not be asked; what is known of it stays. @param problem  for people. Errors: STORE. */
MUST_CHECK enum err store_notice_source_failed(struct ctx *ctx, struct db *db, int64_t source_id,
	int64_t next_at_ms, struct str problem);

#endif
