/**
 * Rows of third-party identifiers. Addresses are in lower case.
 */
#ifndef BELFRY_STORAGE_THREEPID_H
#define BELFRY_STORAGE_THREEPID_H

#include "storage/db.h"

struct threepid_row {
	struct str medium;
	struct str address;
	struct str user_id;
	int64_t validated_at_ms;
	int64_t added_at_ms;
};

/** Whose it is. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_threepid_find(struct ctx *ctx, struct db *db, struct str medium,
	struct str address, struct threepid_row *out);
/** Adds it; again for the same user is fine. Errors: CONFLICT (no fault text) when it is another's; STORE. */
MUST_CHECK enum err store_threepid_insert(struct ctx *ctx, struct tx *tx,
	const struct threepid_row *row);
/** All of a user, the oldest first. */
MUST_CHECK enum err store_threepid_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct threepid_row **out, size_t *out_count);
/** Errors: MISSING (no fault text) when the user has no such one; STORE. */
MUST_CHECK enum err store_threepid_delete(struct ctx *ctx, struct db *db, struct str user_id,
	struct str medium, struct str address);
/** All of a user. */
MUST_CHECK enum err store_threepid_delete_user(struct ctx *ctx, struct tx *tx, struct str user_id);

/** What an identity server publishes of a user. */
struct threepid_bind_row {
	struct str medium;
	struct str address;
	struct str id_server;
};
/** Notes it; again is fine. */
MUST_CHECK enum err store_threepid_bind_insert(struct ctx *ctx, struct db *db, struct str user_id,
	const struct threepid_bind_row *row);
MUST_CHECK enum err store_threepid_bind_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct threepid_bind_row **out, size_t *out_count);
/** Upper and lower case in the identity server's name are the same: it is a host's. */
MUST_CHECK enum err store_threepid_bind_delete(struct ctx *ctx, struct db *db, struct str user_id,
	const struct threepid_bind_row *row);

#endif
