/**
 * What a user's unread counts in a room are made from.
 */
#ifndef BELFRY_STORAGE_UNREAD_H
#define BELFRY_STORAGE_UNREAD_H

#include "storage/db.h"

/** How far back, in events after what was read, own events and threads are looked for. */
enum { UNREAD_WINDOW = 2000 };

/** A thread, or what is outside threads. */
struct unread_part_row {
	struct str root;       /**< event id; p == NULL: outside threads */
	int64_t last_position; /**< nothing of it came after this */
	int64_t mark_position; /**< the user has read it up to here */
	int64_t now_notify;    /**< running counts after its newest event … */
	int64_t now_highlight;
	int64_t mark_notify; /**< … and where the user's mark is */
	int64_t mark_highlight;
};

/** A mention of the user. */
struct unread_mention_row {
	struct str root;
	int64_t position;
	bool is_counted; /**< the event is in the running count of notifications too */
};

struct unread_row {
	int64_t room_position; /**< the newest event that is in this */
	int64_t read_position; /**< everything up to here is read, in all threads */
	struct unread_part_row main;
	struct unread_part_row
		*threads; /**< with events after read_position, in UNREAD_WINDOW thread events */
	size_t thread_count;
	struct unread_mention_row *mentions; /**< after read_position, UNREAD_WINDOW at the most */
	size_t mention_count;
};

/**
 * Counts and marks of a user in a room as they are now. The marks come from receipts, the own join, and own events.
 * One round trip. Errors: MISSING (no such room); STORE
 */
MUST_CHECK enum err store_unread(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str user_id, struct unread_row *out);

#endif
