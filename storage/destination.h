/**
 * Other servers as destinations of transactions: whether they can be reached, and the transaction that they did not take.
 */
#ifndef BELFRY_STORAGE_DESTINATION_H
#define BELFRY_STORAGE_DESTINATION_H

#include "storage/db.h"

/** A destination that fails, or has an open transaction. */
struct destination_trouble {
	struct str server;
	int64_t failures; /**< in a row */
	int64_t interval_ms;
	int64_t retry_at_ms;      /**< wall clock; 0: at once */
	int64_t failing_since_ms; /**< 0: it does not fail */
	bool is_open;             /**< a transaction is to be sent again */
	struct str cause;         /**< of the last failure; empty: none */
};
/** All of them. One round trip. */
MUST_CHECK enum err store_destination_trouble(struct ctx *ctx, struct db *db,
	struct destination_trouble **out, size_t *out_count);

/** What a transaction consists of. */
struct transaction_parts {
	int64_t *room_nids; /**< room_nids[i] belongs to positions[i] */
	int64_t *positions;
	size_t event_n;
	int64_t *edu_ids;
	size_t edu_n;
};
/** The open transaction of a destination; empty when there is none. One round trip. */
MUST_CHECK enum err store_destination_open(struct ctx *ctx, struct db *db, struct str server,
	struct transaction_parts *out);

/** A transaction that failed. */
struct destination_failure {
	struct str server;
	int64_t interval_ms;
	int64_t retry_at_ms;
	int64_t now_ms;
	struct str cause;
	struct transaction_parts open; /**< what it consisted of */
};
/** One round trip. */
MUST_CHECK enum err store_destination_failed(struct ctx *ctx, struct db *db,
	const struct destination_failure *failure);
/** It took a transaction. One round trip. */
MUST_CHECK enum err store_destination_reached(struct ctx *ctx, struct db *db, struct str server,
	int64_t now_ms);
/** Failing ones are due at once: one, or (p == NULL) all. */
MUST_CHECK enum err store_destination_retry(struct ctx *ctx, struct db *db, struct str server,
	int64_t *out_count);

struct destination_row {
	struct str server;
	int64_t failures;
	int64_t retry_at_ms;
	int64_t failing_since_ms;
	int64_t reached_at_ms; /**< 0: never */
	struct str cause;
	int64_t edu_n; /**< that wait; counted up to 1,000 */
	int64_t missed_room_n;
	int64_t open_event_n; /**< of a transaction that is to be sent again */
};
/** By name, from one on. One round trip. */
MUST_CHECK enum err store_destination_list(struct ctx *ctx, struct db *db, struct str from,
	int64_t limit, struct destination_row **out, size_t *out_count);

#endif
