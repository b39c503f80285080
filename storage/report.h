/**
 * Rows of what users have reported.
 */
#ifndef BELFRY_STORAGE_REPORT_H
#define BELFRY_STORAGE_REPORT_H

#include "storage/db.h"

/** One report; what is not given has p == NULL. Texts are borrowed from the result. */
struct report_row {
	int64_t report_id; /**< given by the database */
	int64_t created_at_ms;
	struct str reporter; /**< user id */
	struct str room_id;
	struct str event_id;
	struct str user_id; /**< reported, or the event's sender */
	struct str reason;
	struct str event_json; /**< the event as it was */
};

/** Stored durably when it returns. One round trip. */
MUST_CHECK enum err store_report_insert(struct ctx *ctx, struct db *db,
	const struct report_row *row);
/** The newest ones, newest first. */
MUST_CHECK enum err store_report_list(struct ctx *ctx, struct db *db, int64_t limit,
	struct report_row **out, size_t *out_count);
/** Errors: MISSING; STORE. */
MUST_CHECK enum err store_report_find(struct ctx *ctx, struct db *db, int64_t report_id,
	struct report_row *out);
/** Errors: MISSING; STORE. */
MUST_CHECK enum err store_report_delete(struct ctx *ctx, struct db *db, int64_t report_id);

#endif
