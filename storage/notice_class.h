/**
 * Rooms that senders of notices make for classes, as they are wanted (docs/notices.md). One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_CLASS_H
#define BELFRY_STORAGE_NOTICE_CLASS_H

#include "storage/db.h"

struct notice_class_row {
	int64_t class_id; /**< when read */
	struct str alias; /**< whole */
	struct str sender;
	struct str template_name; /**< when written, p == NULL: as it was, or "class" */
	struct str name;          /**< p == NULL: none; when written: as it was */
	bool is_encrypted;
	struct str space; /**< p == NULL: none; when written: as it was */
	/* When read. */
	int64_t version;     /**< of what is wanted */
	struct str room_id;  /**< p == NULL: not there yet */
	int64_t next_try_ms; /**< 0: it is as wanted */
	int64_t failures;    /**< in a row */
	struct str reason;   /**< p == NULL: none */
};
/** Makes one, or changes the one with the alias. Errors: CONFLICT (no fault text) when it is another sender's; STORE */
MUST_CHECK enum err store_notice_class_put(struct ctx *ctx, struct tx *tx,
	const struct notice_class_row *row, int64_t now_ms, int64_t *out_class_id);
/** It is to be worked on. Errors: MISSING (no fault text); STORE */
MUST_CHECK enum err store_notice_class_touch(struct ctx *ctx, struct tx *tx, struct str alias,
	int64_t now_ms, int64_t *out_class_id);
/** All, by alias. */
MUST_CHECK enum err store_notice_class_list(struct ctx *ctx, struct db *db,
	struct notice_class_row **out, size_t *out_count);
/** Errors: MISSING (no fault text); STORE */
MUST_CHECK enum err store_notice_class_find(struct ctx *ctx, struct db *db, struct str alias,
	struct notice_class_row *out);

struct notice_class_person {
	struct str user_id;
	struct str role; /**< "staff", "member"; "gone": is to be taken out */
};
/** Adds people; who is there gets the new role. Errors: STORE */
MUST_CHECK enum err store_notice_class_people_put(struct ctx *ctx, struct tx *tx, int64_t class_id,
	const struct notice_class_person *people, size_t count);
/** By user. */
MUST_CHECK enum err store_notice_class_people(struct ctx *ctx, struct db *db, int64_t class_id,
	struct notice_class_person **out, size_t *out_count);

/** When one is to be worked on; INT64_MAX: there is none. */
MUST_CHECK enum err store_notice_class_next(struct ctx *ctx, struct db *db, int64_t *out_ms);
/** Up to `limit` that are to be worked on, longest first. */
MUST_CHECK enum err store_notice_class_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, struct notice_class_row **out, size_t *out_count);
/**
 * The room is as the row wants it.
 * @param gone    users that were taken out
 * @param reason  what could not be done and is not tried again by itself; p == NULL: nothing
 */
MUST_CHECK enum err store_notice_class_done(struct ctx *ctx, struct db *db,
	const struct notice_class_row *row, struct str room_id, const struct str *gone, size_t count,
	struct str reason);
MUST_CHECK enum err store_notice_class_failed(struct ctx *ctx, struct db *db, int64_t class_id,
	int64_t next_try_ms, struct str reason);

#endif
