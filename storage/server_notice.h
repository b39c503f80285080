/**
 * Server notices that wait, and users' rooms for them.
 */
#ifndef BELFRY_STORAGE_SERVER_NOTICE_H
#define BELFRY_STORAGE_SERVER_NOTICE_H

#include "storage/db.h"
#include "storage/writer.h"

struct server_notice_row {
	int64_t notice_id;
	struct str user_id;
	struct str body;
	int64_t created_at_ms;
};

/** A notice begins to wait; stored durably when it returns. */
MUST_CHECK enum err store_server_notice_insert(struct ctx *ctx, struct db *db,
	const struct server_notice_row *row);
/** The oldest that wait, in order. One round trip. */
MUST_CHECK enum err store_server_notice_waiting(struct ctx *ctx, struct db *db, int64_t limit,
	struct server_notice_row **out, size_t *out_count);
MUST_CHECK enum err store_server_notice_delete(struct ctx *ctx, struct db *db, int64_t notice_id);

/** A user's room for notices. Errors: MISSING; STORE. */
MUST_CHECK enum err store_server_notice_room_find(struct ctx *ctx, struct db *db,
	struct str user_id, int64_t *out_room_nid);
/** As part of a write, which fails with CONFLICT when the user has one already. */
void store_server_notice_room_claim(struct write *write, struct str user_id, int64_t room_nid);

#endif
