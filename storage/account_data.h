/**
 * What clients keep with the account, globally and by room; tags are the room account data m.tag.
 */
#ifndef BELFRY_STORAGE_ACCOUNT_DATA_H
#define BELFRY_STORAGE_ACCOUNT_DATA_H

#include "storage/db.h"
#include "storage/writer.h"

struct account_data_row {
	int64_t room_nid; /**< 0: of the account as a whole */
	struct str type;
	struct str content; /**< JSON object as text */
	int64_t position;   /**< of the newest change */
};

/** Errors: MISSING; STORE. */
MUST_CHECK enum err store_account_data_get(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t room_nid, struct str type, struct account_data_row *out);
/** Of one room (0: global) with after < position <= up_to, oldest change first. */
MUST_CHECK enum err store_account_data_of_room(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t room_nid, int64_t after, int64_t up_to, struct account_data_row **out,
	size_t *out_count);
/** The same for all rooms at once. */
MUST_CHECK enum err store_account_data_of_rooms(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t after, int64_t up_to, struct account_data_row **out, size_t *out_count);
/** Newest change (0: none), and the content of m.invite_permission_config (p == NULL: none). */
MUST_CHECK enum err store_account_data_position(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out, struct str *out_invite_permission);

/** What store_account_data_set() takes for "whatever stands there". */
#define ACCOUNT_DATA_ANY (-1)
/**
 * Adds a change at the write's position 0.
 * @param expected  position of what it replaces (0: nothing is there; ACCOUNT_DATA_ANY): the write fails with CONFLICT otherwise
 */
void store_account_data_set(struct write *write, struct str user_id, int64_t room_nid,
	struct str type, struct str content, int64_t expected);

/** Deletes all that a user has, if the account was deactivated with the wish to be erased. Errors: STORE. */
MUST_CHECK enum err store_account_data_erase(struct ctx *ctx, struct db *db, struct str user_id);

#endif
