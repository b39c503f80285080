/**
 * Rows of application services.
 */
#ifndef BELFRY_STORAGE_APPSERVICE_H
#define BELFRY_STORAGE_APPSERVICE_H

#include "storage/db.h"

/** Application services that are kept. */
enum { APPSERVICES_MAX = 1000 };

struct appservice_row {
	struct str id;
	struct str as_token_hash; /**< SHA-256, raw */
	struct str hs_token;
	struct str registration; /**< JSON */
	int64_t added_ms;
	int64_t changed_ms;
};

/** What grows with every change. */
MUST_CHECK enum err store_appservice_version(struct ctx *ctx, struct db *db, int64_t *out);

/** All, by id. */
MUST_CHECK enum err store_appservice_list(struct ctx *ctx, struct db *db,
	struct appservice_row **out, size_t *out_count);

/**
 * First in a transaction that changes them: others who want to wait until it ends; whoever runs notices the change.
 */
MUST_CHECK enum err store_appservice_lock(struct ctx *ctx, struct tx *tx);
/** Notes that an account is of the service that made it. */
MUST_CHECK enum err store_appservice_account_set(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str id);
/** All, by id, as the transaction sees them. */
MUST_CHECK enum err store_appservice_list_locked(struct ctx *ctx, struct tx *tx,
	struct appservice_row **out, size_t *out_count);
/** Adds one, or replaces the one with its id; `changed_ms` is now. Errors: CONFLICT (its token is another's); STORE */
MUST_CHECK enum err store_appservice_put(struct ctx *ctx, struct tx *tx,
	const struct appservice_row *row);

/** Errors: MISSING (no fault text); STORE */
MUST_CHECK enum err store_appservice_delete(struct ctx *ctx, struct db *db, struct str id);

#endif
