/**
 * Profile fields of local users.
 */
#ifndef BELFRY_STORAGE_PROFILE_H
#define BELFRY_STORAGE_PROFILE_H

#include "storage/db.h"

struct profile_row {
	struct str field; /**< "displayname", "avatar_url", … */
	struct str value; /**< JSON text */
};

/** All fields, by name; borrowed from the result. Errors: STORE. */
MUST_CHECK enum err store_profile_all(struct ctx *ctx, struct db *db, struct str user_id,
	struct profile_row **out, size_t *out_count);
/** The two classic fields as plain text; p == NULL when unset. In the ctx's arena. Errors: STORE. */
MUST_CHECK enum err store_profile_get(struct ctx *ctx, struct db *db, struct str user_id,
	struct str *out_displayname, struct str *out_avatar_url);
/** Errors: STORE. */
MUST_CHECK enum err store_profile_set(struct ctx *ctx, struct db *db, struct str user_id,
	struct str field, struct str value);
/** Nothing happens when it is not set. Errors: STORE. */
MUST_CHECK enum err store_profile_delete(struct ctx *ctx, struct db *db, struct str user_id,
	struct str field);
MUST_CHECK enum err store_profile_delete_all(struct ctx *ctx, struct db *db, struct str user_id);

#endif
