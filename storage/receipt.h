/**
 * Rows of read receipts: the newest of each user, type and thread.
 */
#ifndef BELFRY_STORAGE_RECEIPT_H
#define BELFRY_STORAGE_RECEIPT_H

#include "storage/db.h"
#include "storage/writer.h"

struct receipt_row {
	struct str user_id;
	struct str receipt_type; /**< "m.read", "m.read.private" */
	struct str thread_id;    /**< "main", a root's event id; p == NULL: unthreaded */
	struct str event_id;
	int64_t event_position;
	int64_t ts_ms;
	int64_t position; /**< of the receipt itself; ignored when writing */
};

/** All receipts of a room, newest first. One round trip. */
MUST_CHECK enum err store_receipts_of_room(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct receipt_row **out, size_t *out_count);

/** Adds a receipt to a write, at its position `position_index`. It stays without effect when one further on is stored. */
void store_receipt_set(struct write *write, int64_t room_nid, const struct receipt_row *row,
	size_t position_index);

#endif
