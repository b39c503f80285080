/**
 * Rooms into which this server came without their members (send_join with omit_members), until it knows them.
 */
#ifndef BELFRY_STORAGE_PARTIAL_JOIN_H
#define BELFRY_STORAGE_PARTIAL_JOIN_H

#include "storage/db.h"
#include "storage/writer.h"

/** What `rooms.whole_at` says of a room whose members are not known yet. */
#define ROOM_NOT_WHOLE INT64_MAX

struct partial_join_row {
	struct str join_event_id;
	struct str
		servers; /**< JSON array of those who may know the state; empty: the members are stored */
	int64_t attempts;
	int64_t retry_at_ms; /**< wall clock */
};

/** The room is not whole; `attempts` is 0. Part of the write of the join. */
void store_partial_join_insert(struct write *write, int64_t room_nid,
	const struct partial_join_row *row);
/** The room is whole from the write's position `position_index` on, which counts as its newest. */
void store_partial_join_end(struct write *write, int64_t room_nid, size_t position_index);

/** For how long store_partial_join_defer() puts a room off: double each time. */
struct partial_join_pauses {
	int64_t first_ms;
	int64_t longest_ms;
};
/**
 * Ids of rooms that are not whole and for which others may be asked by now; what can only wait because the clock was set back is due too. One
 * round trip.
 */
MUST_CHECK enum err store_partial_joins_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	const struct partial_join_pauses *pauses, int64_t limit, struct str **out, size_t *out_count);
/** Errors: MISSING (no fault text): the room is whole; STORE. One round trip. */
MUST_CHECK enum err store_partial_join_find(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct partial_join_row *out);
/** An attempt has failed, after so many; two processes that tried at once count as one. One round trip. */
MUST_CHECK enum err store_partial_join_defer(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t attempts, int64_t retry_at_ms);
/** All members are stored; that the room is whole is not told yet. One round trip. */
MUST_CHECK enum err store_partial_join_stored(struct ctx *ctx, struct db *db, int64_t room_nid);

#endif
