/**
 * User-interactive authentication under way. Session ids are kept as SHA-256.
 */
#ifndef BELFRY_STORAGE_UIA_H
#define BELFRY_STORAGE_UIA_H

#include "storage/db.h"

struct uia_row {
	struct str user_id;            /**< empty: nobody yet (registration) */
	struct str binding;            /**< SHA-256 of what was asked for */
	struct str completed;          /**< stages separated by spaces */
	struct str registration_token; /**< p == NULL: none */
	struct str email;              /**< p == NULL: none */
	struct str terms;              /**< policies accepted, "ID=VERSION …"; p == NULL: none */
	int64_t expires_at_ms;
	struct str body; /**< of the request that began it, sealed; p == NULL: not kept */
};

/** A new session, by the hash of its id. Errors: STORE     Cost: one round trip */
MUST_CHECK enum err store_uia_insert(struct ctx *ctx, struct db *db, struct str session_hash,
	const struct uia_row *row);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_uia_find(struct ctx *ctx, struct db *db, struct str session_hash,
	struct uia_row *out);
/**
 * Notes completed stages.
 * @param before  what `completed` was when it was read
 * Errors: MISSING (no fault text) when the session is gone or another request changed it meanwhile; STORE
 */
MUST_CHECK enum err store_uia_set_completed(struct ctx *ctx, struct db *db, struct str session_hash,
	struct str before, const struct uia_row *after);
/** Ends a session. Errors: MISSING (no fault text) for all but the first who does; STORE. */
MUST_CHECK enum err store_uia_delete(struct ctx *ctx, struct db *db, struct str session_hash);
/** Forgets sessions that expired before a time. */
MUST_CHECK enum err store_uia_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms);

#endif
