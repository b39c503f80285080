/**
 * Rows of rooms, transaction ids of events.
 */
#ifndef BELFRY_STORAGE_ROOM_H
#define BELFRY_STORAGE_ROOM_H

#include "storage/db.h"
#include "storage/writer.h"

/** Transaction keys are truncated SHA-256. */
enum { TRANSACTION_KEY_BYTES = 16 };

struct room_row {
	int64_t room_nid;
	struct str room_id;
	struct str version;
	int64_t event_seq;
	int64_t depth;
	struct str extremities; /**< JSON array of event ids */
	int64_t last_position;
	int64_t notify_seq;
	int64_t highlight_seq;
	int64_t receipt_position; /**< of the newest receipt, 0: none; ignored when writing */
	int64_t whole_at;         /**< see storage/partial_join.h; ignored when writing */
	int64_t ground_position;  /**< see store_room_ground(); ignored when writing */
};

/** First of 100 new room numbers. One round trip. Errors: STORE. */
MUST_CHECK enum err store_room_nids(struct ctx *ctx, struct db *db, int64_t *out_first);

/** One room by its Matrix id. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_room_find(struct ctx *ctx, struct db *db, struct str room_id,
	struct room_row *out);
/** One room by its number. Errors: MISSING; STORE. */
MUST_CHECK enum err store_room_find_nid(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct room_row *out);

/** The write fails (CONFLICT) when the room has gone on: what it holds rests on what was before. */
void store_room_stand(struct write *write, int64_t room_nid, int64_t event_seq);

/** Adds a new room to a write; last_position is taken from the write's position `position_index`. */
void store_room_insert(struct write *write, const struct room_row *row, size_t position_index,
	int64_t created_at_ms);
/** Lists a new room in the directory. */
void store_room_publish(struct write *write, int64_t room_nid);
/** Aliases and the place in the directory go from a room to a new one of the same write. */
void store_room_succeed(struct write *write, int64_t old_nid, int64_t new_nid);
/** Moves a room on by one event (or several, with seq_after = seq_before + n). */
void store_room_advance(struct write *write, const struct room_row *after, int64_t seq_before,
	size_t position_index);

/** The event that a transaction id made before. Errors: MISSING; STORE. */
MUST_CHECK enum err store_transaction_find(struct ctx *ctx, struct db *db, struct str key,
	struct str *out_event_id);
void store_transaction_insert(struct write *write, struct str key, struct str event_id,
	int64_t now_ms);
/** Forgets transaction ids older than a time. */
MUST_CHECK enum err store_transaction_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms);

/** Listed in the directory? */
MUST_CHECK enum err store_room_set_published(struct ctx *ctx, struct db *db, int64_t room_nid,
	bool is_published);
MUST_CHECK enum err store_room_is_published(struct ctx *ctx, struct db *db, int64_t room_nid,
	bool *out);

#endif
