/**
 * Whose keys changed when. A change is one row, whoever sees it; who shares a room is computed when somebody asks.
 *
 * Devices end and are renamed in transactions of their own: these leave a pending row, which the encryption layer turns into a
 * change through the writer.
 */
#ifndef BELFRY_STORAGE_DEVICE_LIST_H
#define BELFRY_STORAGE_DEVICE_LIST_H

#include "storage/db.h"
#include "storage/writer.h"

/**
 * Users whose keys changed after a position: the user's own, those who share one of the rooms, those whose change only this
 * user sees. One round trip; grows with the changes since then.
 */
MUST_CHECK enum err store_device_list_changed(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t after, const int64_t *room_nids, size_t room_n, struct str **out, size_t *out_count);
/** Those of the users who are joined to one of the rooms. One round trip. */
MUST_CHECK enum err store_device_list_sharing(struct ctx *ctx, struct db *db,
	const struct str *user_ids, size_t count, const int64_t *room_nids, size_t room_n,
	struct str **out, size_t *out_count);

/** The position of the newest change of a user's keys that everybody can see; 0: none. One round trip. */
MUST_CHECK enum err store_device_list_position(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out);

/** At most `limit` users with a pending change. */
MUST_CHECK enum err store_device_list_pending(struct ctx *ctx, struct db *db, int64_t limit,
	struct str **out, size_t *out_count);
/** Whether the user has one. */
MUST_CHECK enum err store_device_list_is_pending(struct ctx *ctx, struct db *db, struct str user_id,
	bool *out);

/** @param seen_by  who alone can see it; empty: everybody */
void store_device_list_change(struct write *write, struct str user_id, struct str seen_by,
	size_t position_index);
/** The user's pending change is told by this write. */
void store_device_list_settle(struct write *write, struct str user_id);

#endif
