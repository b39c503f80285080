/**
 * Pushers, and the notifications that wait for them.
 */
#ifndef BELFRY_STORAGE_PUSHER_H
#define BELFRY_STORAGE_PUSHER_H

#include "storage/db.h"

struct pusher_row {
	int64_t pusher_nid; /**< when read */
	struct str user_id; /**< when written */
	struct str app_id;
	struct str pushkey;
	struct str kind; /**< "http", "email" */
	struct str app_display_name;
	struct str device_display_name;
	struct str profile_tag; /**< p == NULL: none */
	struct str lang;
	struct str data;              /**< JSON object */
	struct str device_id;         /**< when written; p == NULL: none */
	int64_t set_at_ms;            /**< when written */
	struct str unsubscribe_token; /**< when written, for a new one of kind email; else p == NULL */
};

/** Makes or changes a pusher. Errors: LIMIT when the user has `limit` others; MISSING when the device is gone; STORE. */
MUST_CHECK enum err store_pusher_set(struct ctx *ctx, struct db *db, const struct pusher_row *row,
	int64_t limit);
/** Deletes those of other users with the same key. */
MUST_CHECK enum err store_pusher_delete_others(struct ctx *ctx, struct db *db, struct str app_id,
	struct str pushkey, struct str user_id);
MUST_CHECK enum err store_pusher_delete(struct ctx *ctx, struct db *db, struct str app_id,
	struct str pushkey, struct str user_id);
/** Deletes those of all users with a key. */
MUST_CHECK enum err store_pusher_reject(struct ctx *ctx, struct db *db, struct str app_id,
	struct str pushkey);
/** Of kind email: whose mails end with this token. Errors: MISSING (no fault text); STORE. @param out_address  pushkey */
MUST_CHECK enum err store_pusher_unsubscribe_peek(struct ctx *ctx, struct db *db,
	int64_t pusher_nid, struct str token, struct str *out_address);
/** Ends it. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_pusher_unsubscribe(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	struct str token);
/** A user's, oldest first. */
MUST_CHECK enum err store_pusher_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct pusher_row **out, size_t *out_count);

/* --- what waits ---------------------------------------------------------------------------------- */

/** An event and one who may have to be notified of it. */
struct push_candidate {
	int64_t room_nid;
	int64_t position; /**< in the stream */
	struct str user_id;
	int64_t event_position; /**< where it is stored: of an invite to a room of others elsewhere */
};
/** What a span of the stream means for pushers. */
struct push_span {
	struct push_candidate *candidates;
	size_t count;
	int64_t reached;  /**< all candidates up to here are there */
	bool has_readers; /**< somebody with a pusher read something in the span */
};
/**
 * Candidates of up to `limit` events with after < position <= up_to, in order; local members and invited users with a pusher. Invites
 * to rooms that this server is not in are among them.
 * One round trip; looks at the local members of rooms with events in the span.
 */
MUST_CHECK enum err store_push_candidates(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct push_span *out);

struct push_news {
	struct push_candidate who;
	struct str tweaks; /**< JSON object */
};
/** What store_push_enqueue() writes. */
struct push_batch {
	const struct push_news *news;
	size_t count;
	int64_t after; /**< users who have read something after this … */
	int64_t up_to; /**< … and up to this get their counts */
	int64_t now_ms;
	int64_t mail_delay_ms; /**< how long messages are unread before a mail tells of them */
};
/** Queues for all pushers concerned, in a transaction that moves the consumer. */
MUST_CHECK enum err store_push_enqueue(struct ctx *ctx, struct tx *tx,
	const struct push_batch *batch);

struct push_due {
	int64_t pusher_nid;
	struct str user_id;
	struct str app_id;
	struct str pushkey;
	bool is_mail; /**< of kind email */
	struct str data;
	int64_t set_at_ms;
	int64_t badge; /**< told last; -1: none yet */
	int64_t failures;
	int64_t failing_since_ms; /**< 0: not */
	int64_t position;
	int64_t room_nid;  /**< 0: only the counts */
	struct str tweaks; /**< p == NULL: none */
	bool is_read;      /**< the user has read the event meanwhile */
	struct str unsubscribe_token;
	int64_t mailed_at_ms;  /**< when the last mail went; 0: none yet */
	int64_t mail_pause_ms; /**< how long after it none goes */
};
/** Who has no turn now. */
struct push_busy {
	const int64_t *pusher_nids;
	size_t pusher_count;
	const struct str *user_ids; /**< none of their pushers has */
	size_t user_count;
};
/** The oldest that waits of each pusher that is due and not busy; who has been due for longest first. One round trip. */
MUST_CHECK enum err store_push_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	const struct push_busy *busy, int64_t limit, struct push_due **out, size_t *out_count);
/** When the next is due; INT64_MAX when nothing waits. */
MUST_CHECK enum err store_push_next(struct ctx *ctx, struct db *db, const struct push_busy *busy,
	int64_t *out_ms);

/** What a pusher was sent. */
struct push_done {
	int64_t pusher_nid;
	int64_t position; /**< all up to here is dealt with */
	int64_t badge;    /**< the count that was told; -1: none */
	int64_t now_ms;   /**< since when it waits for its next turn */
};
/** Three round trips. */
MUST_CHECK enum err store_push_done(struct ctx *ctx, struct db *db, const struct push_done *done);
/** It is tried again after a pause. */
MUST_CHECK enum err store_push_failed(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	int64_t now_ms, int64_t pause_ms);
/** Of what waits for a pusher, only the newest `keep` stay. */
MUST_CHECK enum err store_push_give_up(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	int64_t keep);

/** An event that waits for a pusher of kind email. */
struct push_waiting {
	int64_t position;
	int64_t room_nid;
	int64_t queued_at_ms;
	bool is_read;
};
/** The newest `limit`, newest first. One round trip. */
MUST_CHECK enum err store_push_waiting(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	int64_t limit, struct push_waiting **out, size_t *out_count);
/** A mail with all up to a position was sent; none for `pause_ms` after it. Three round trips. */
MUST_CHECK enum err store_push_mailed(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	int64_t position, int64_t now_ms, int64_t pause_ms);
/** Nothing is sent for a while. */
MUST_CHECK enum err store_push_postpone(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	int64_t now_ms, int64_t pause_ms);
/** Those that would wait for longer than their own pause, since the clock was set back, are due. One round trip. */
MUST_CHECK enum err store_push_set_back(struct ctx *ctx, struct db *db, int64_t now_ms);

/* --- looking back -------------------------------------------------------------------------------- */

struct notification_row {
	int64_t room_nid;
	int64_t position;
	bool is_read; /**< a receipt of the user covers it */
};
/**
 * Up to `limit` newest events of others before a position, of all rooms that a user has joined, newest first. One round trip; looks at
 * up to `limit` events of each room.
 */
MUST_CHECK enum err store_notification_scan(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t before, int64_t limit, struct notification_row **out, size_t *out_count);

#endif
