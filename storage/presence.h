/**
 * Status messages: the part of presence that is stored.
 */
#ifndef BELFRY_STORAGE_PRESENCE_H
#define BELFRY_STORAGE_PRESENCE_H

#include "storage/db.h"

struct presence_status_row {
	struct str user_id;
	struct str status_msg;
};
/** All there are. One round trip. */
MUST_CHECK enum err store_presence_statuses(struct ctx *ctx, struct db *db,
	struct presence_status_row **out, size_t *out_count);
/** Sets a user's, or removes it when empty. One round trip. */
MUST_CHECK enum err store_presence_status_set(struct ctx *ctx, struct db *db, struct str user_id,
	struct str status_msg);

#endif
