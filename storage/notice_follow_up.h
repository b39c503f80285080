/**
 * What is done in a room after a notice was sent there: edits and pins (docs/notices.md). One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_FOLLOW_UP_H
#define BELFRY_STORAGE_NOTICE_FOLLOW_UP_H

#include "storage/db.h"

/**
 * Other texts; those before are kept, and what the newest occurrence sent is to be edited. Errors: MISSING (no fault text); STORE
 * @param is_later  for what has not gone out alone
 */
MUST_CHECK enum err store_notice_edit(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct str texts, int64_t now_ms, bool is_later);

/** What a notice said before. */
struct notice_edit_row {
	struct str texts;
	int64_t replaced_at_ms;
};
/** Oldest first. */
MUST_CHECK enum err store_notice_edit_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_edit_row **out, size_t *out_count);

struct notice_follow_up_row {
	int64_t notice_id;
	int64_t due_at_ms;
	struct str room_id;
	struct str kind; /**< edit, amend, pin, unpin, file */
	int64_t ordinal;
	struct str txn_key;
	int64_t failures;
	struct str event_id, languages; /**< of the delivery */
	struct str sender, texts;       /**< of the notice */
	struct str media_id;            /**< of a file */
	struct str sealed;              /**< of a file: its ciphertext; p == NULL: none was made */
};
/** Up to `limit` that are to be done, longest first. */
MUST_CHECK enum err store_notice_follow_up_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, struct notice_follow_up_row **out, size_t *out_count);
/** Its ciphertext is made. @param sealed  what says where it is */
MUST_CHECK enum err store_notice_follow_up_seal(struct ctx *ctx, struct db *db,
	const struct notice_follow_up_row *row, struct str sealed);
MUST_CHECK enum err store_notice_follow_up_done(struct ctx *ctx, struct db *db,
	const struct notice_follow_up_row *row, int64_t now_ms);
/** @param next_try_ms  0: it is given up */
MUST_CHECK enum err store_notice_follow_up_failed(struct ctx *ctx, struct db *db,
	const struct notice_follow_up_row *row, int64_t next_try_ms, struct str reason);

/** What became of one. */
struct notice_follow_up_outcome {
	int64_t due_at_ms;
	struct str room_id, kind;
	int64_t next_try_ms; /**< 0: none */
	struct str reason;   /**< p == NULL: none */
	int64_t done_at_ms;  /**< 0: not done */
};
/** The newest of a notice. */
MUST_CHECK enum err store_notice_follow_up_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t limit, struct notice_follow_up_outcome **out, size_t *out_count);

#endif
