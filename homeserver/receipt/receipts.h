/**
 * Read receipts and unread counts: the face of the domain.
 *
 * A receipt says up to which event a user has read, in the whole room or in one thread. What clients are shown of it is
 * `receipts_contents()`; what it does to the user's counts is `unread_counts()`. Both answer from memory while a room is
 * followed live.
 */
#ifndef BELFRY_HOMESERVER_RECEIPT_RECEIPTS_H
#define BELFRY_HOMESERVER_RECEIPT_RECEIPTS_H

#include "homeserver/room/rooms.h"
#include "matrix/edu.h"

struct receipts *receipts_create(struct homeserver *hs);
/** After the writer was destroyed: its commits come here. */
void receipts_destroy(struct receipts *receipts);
/** Everything is read anew: what memory knows may be older than the database. Writer's thread. */
void receipts_forget(struct receipts *receipts);
/**
 * Another process has committed receipts of a room, of users whom the group names too (NEWS_OWN): what each of these has read there is read
 * anew. Writer's thread; memory only.
 */
void receipts_told(struct receipts *receipts, int64_t room_nid, const struct news_group *group);

/* --- setting ------------------------------------------------------------------------------------- */

/** One receipt that a user wants to set. */
struct receipt_mark {
	enum receipt_type type;
	struct str event_id;
	struct str thread_id; /**< "main" or a root's event id; p == NULL: unthreaded */
	int64_t ts_ms;        /**< when it was read; 0: now */
};

/** What a user wants to set in one room. */
struct read_marks {
	const struct receipt_mark *receipts;
	size_t count;
	struct str fully_read; /**< event of the m.fully_read marker; p == NULL: it stays */
};

/**
 * Sets what a user, of this server or another, has read, all in one commit. Receipts that do not go forward change nothing.
 *
 * Errors: DENIED M_FORBIDDEN (not joined); MISSING M_NOT_FOUND (no such event in the room); INPUT M_INVALID_PARAM (the event
 * is not in that thread); STORE
 */
MUST_CHECK enum err receipts_set(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str room_id, const struct read_marks *marks);

/* --- showing ------------------------------------------------------------------------------------- */

/**
 * The receipts set after a position, up to another, that the viewer may see (of private ones, the own): each text is the
 * `content` of one m.receipt event, a JSON object.
 *
 * One object has room for one receipt of a user at an event. A user who has read up to an event in several ways (unthreaded,
 * in its thread) has the one that covers most in the first object, the next in the second, …; nearly always there is one.
 *
 * @param after  stream position; 0: all receipts there are
 * @param out    in the ctx's arena
 * Errors: STORE     Cost: none while the room is followed, else one round trip.
 */
MUST_CHECK enum err receipts_contents(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str viewer, int64_t after, int64_t up_to, struct str **out, size_t *out_count);

struct unread_thread {
	struct str root; /**< event id */
	int64_t notification_count;
	int64_t highlight_count;
};

struct unread_result {
	int64_t notification_count; /**< outside threads */
	int64_t highlight_count;
	struct unread_thread *threads; /**< those with unread notifications only, in no order */
	size_t thread_count;
};

/**
 * How many notifying events of a room the user has not read: outside threads, and in each thread.
 *
 * @param up_to  events up to this position are counted at least; newer ones may be counted already
 * Errors: STORE     Cost: none while the room is followed, else one or two round trips.
 */
MUST_CHECK enum err unread_counts(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user *user, int64_t up_to, struct unread_result *out);

#endif
