/**
 * What other servers sent in transactions: staged before they are answered, and kept until it is worked off.
 *
 * Items stand in queues, each in order: PDUs in their room's, EDUs in their server's.
 */
#ifndef BELFRY_STORAGE_INBOX_H
#define BELFRY_STORAGE_INBOX_H

#include "storage/db.h"
#include "storage/writer.h"

struct inbox_facts {
	struct str answer; /**< that the transaction got; p == NULL: it is new */
	int64_t waiting;   /**< items of its server */
};
/** One round trip. */
MUST_CHECK enum err store_inbox_find(struct ctx *ctx, struct db *db, struct str origin,
	struct str txn_id, struct inbox_facts *out);

/** A transaction with its answer. The write fails (CONFLICT) when it is known. */
void store_inbox_transaction(struct write *write, struct str origin, struct str txn_id,
	struct str answer, int64_t now_ms);

struct inbox_row {
	struct str queue; /**< room id or server */
	struct str origin;
	struct str event_id; /**< empty: an EDU */
	struct str body;
};
/** The same event of the same server is staged once. */
void store_inbox_add(struct write *write, const struct inbox_row *row, int64_t now_ms);

/** How much waits, and since when (0: nothing does). Grows with what waits. */
MUST_CHECK enum err store_inbox_count(struct ctx *ctx, struct db *db, int64_t *out_count,
	int64_t *out_oldest_ms);

/**
 * Queues in which something is due; what can only wait because the clock was set back is due too. One round trip.
 * @param longest_pause_ms  for which store_inbox_defer() ever puts anything off
 */
MUST_CHECK enum err store_inbox_due_queues(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t longest_pause_ms, int64_t limit, struct str **out, size_t *out_count);

struct inbox_item {
	int64_t nid;
	struct str origin;
	struct str event_id; /**< empty: an EDU */
	struct str body;     /**< borrowed from the result, like all texts */
	int64_t attempts;
};
/** The first items of a queue that are due, as is all that is new, whatever the time. One round trip. */
MUST_CHECK enum err store_inbox_next(struct ctx *ctx, struct db *db, struct str queue,
	int64_t now_ms, int64_t limit, struct inbox_item **out, size_t *out_count);

/** They are dealt with; may be lost in a crash, not earlier than what was written before it. One round trip. */
MUST_CHECK enum err store_inbox_done(struct ctx *ctx, struct db *db, const int64_t *nids,
	size_t count);
/** One more attempt has failed than `item` says; two processes that tried it at once count as one. One round trip. */
MUST_CHECK enum err store_inbox_defer(struct ctx *ctx, struct db *db, const struct inbox_item *item,
	int64_t due_at_ms);
/** Forgets transactions that came before a time, and those of each server but the newest. As many rows as there are. */
MUST_CHECK enum err store_inbox_tidy(struct ctx *ctx, struct db *db, int64_t before_ms,
	int64_t of_server);

#endif
