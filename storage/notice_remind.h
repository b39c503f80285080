/**
 * Reminders of notices (notices/notice_remind.h), and the rooms in which a sender talks with one person. One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_REMIND_H
#define BELFRY_STORAGE_NOTICE_REMIND_H

#include "storage/db.h"

/** Who is to be reminded of an occurrence. */
struct notice_remind_step {
	int64_t notice_id;
	int64_t due_at_ms;
	const struct str *user_ids;
	const struct str *room_ids; /**< where each finds the notice */
	size_t count;
	struct str level; /**< "read", "confirmed": what they have not done */
	int64_t now_ms;
	int64_t before_ms; /**< who was reminded later than this is not again */
};
/** All that are to be reminded get a row, whoever else asks at the same time. @param out_reminded  how many */
MUST_CHECK enum err store_notice_remind(struct ctx *ctx, struct db *db,
	const struct notice_remind_step *step, size_t *out_reminded);

/** A reminder that waits; borrowed from the result. */
struct notice_reminder_row {
	int64_t notice_id;
	int64_t due_at_ms;
	struct str user_id;
	struct str room_id;
	struct str level;
	int64_t asked_at_ms;
	struct str txn_key;
	int64_t failures;
	struct str sender;
	struct str sender_name; /**< p == NULL: none */
	struct str texts;       /**< of the notice: JSON array */
	struct str languages;   /**< of the room; with spaces between them; empty: all */
	struct str event_id;    /**< of the notice in the room; p == NULL: it is not there */
	bool is_encrypted;      /**< the room is */
	struct str address;     /**< of who has no client; p == NULL: has one, or no address */
};
/** Up to `limit`, longest first. */
MUST_CHECK enum err store_notice_remind_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, struct notice_reminder_row **out, size_t *out_count);
/** @param sent_as  "message", "mail" */
MUST_CHECK enum err store_notice_remind_sent(struct ctx *ctx, struct db *db,
	const struct notice_reminder_row *row, struct str sent_as);
/** @param next_try_ms  0: it is given up */
MUST_CHECK enum err store_notice_remind_failed(struct ctx *ctx, struct db *db,
	const struct notice_reminder_row *row, int64_t next_try_ms, struct str reason);

/**
 * A room in which a sender is with one other, who is joined or invited, and nobody else, and which has neither name nor alias.
 * Errors: MISSING (no fault text); STORE     Cost: looks at all rooms of the sender
 */
MUST_CHECK enum err store_notice_direct_room(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id, struct str *out_room_id);

#endif
