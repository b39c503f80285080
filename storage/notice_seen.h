/**
 * Who has seen a notice of the school (notices/notice_seen.h). One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_SEEN_H
#define BELFRY_STORAGE_NOTICE_SEEN_H

#include "storage/db.h"

/** A time at which a notice went out. */
struct notice_occurrence_row {
	int64_t due_at_ms;
	int64_t sent;  /**< rooms that have it */
	int64_t rooms; /**< that were to have it */
};
/** Those that at least one room has, in order. */
MUST_CHECK enum err store_notice_occurrences(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_occurrence_row **out, size_t *out_count);

/** A person in a room that has the notice; borrowed from the result. Times are 0 when it has not happened. */
struct notice_seen_row {
	struct str user_id;
	struct str display_name; /**< p == NULL: none is known */
	struct str room_id;
	struct str room_name;  /**< likewise */
	struct str room_alias; /**< the canonical one, likewise */
	bool is_ours; /**< of this server, and no application service's: what devices have is known */
	bool is_delivered; /**< a device has it */
	int64_t read_at_ms;
	int64_t reacted_at_ms;
	bool is_reaction_current; /**< came after the newest text */
	int64_t linked_at_ms;     /**< confirmed by a link */
	bool is_link_current;
};
/**
 * Who is in the rooms of an occurrence now, joined or invited, but senders of notices; a row for each of their rooms, by name.
 * Cost: reads the receipts and reactions of these rooms.
 */
MUST_CHECK enum err store_notice_seen(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t due_at_ms, struct notice_seen_row **out, size_t *out_count);

/** Notes that a person confirms; again changes nothing. Errors: MISSING (no fault text): no such occurrence; STORE. */
MUST_CHECK enum err store_notice_confirm(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t due_at_ms, struct str user_id, int64_t now_ms);

/** What somebody is asked to confirm. */
struct notice_confirm_row {
	struct str sender;
	struct str sender_name; /**< p == NULL: none */
	struct str texts;       /**< JSON array */
	struct str zone;
	bool is_encrypted;       /**< one of the rooms is */
	int64_t confirmed_at_ms; /**< 0: not yet */
};
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_confirm_show(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t due_at_ms, struct str user_id, struct notice_confirm_row *out);

#endif
