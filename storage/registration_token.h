/**
 * Tokens with which people may register.
 */
#ifndef BELFRY_STORAGE_REGISTRATION_TOKEN_H
#define BELFRY_STORAGE_REGISTRATION_TOKEN_H

#include "storage/db.h"

struct registration_token_row {
	struct str token;
	int64_t uses_allowed; /**< -1: any number */
	int64_t use_count;
	int64_t expires_at_ms; /**< 0: never */
	int64_t created_at_ms;
};

/** Errors: CONFLICT (no fault text) when there is one of that name; STORE. */
MUST_CHECK enum err store_registration_token_insert(struct ctx *ctx, struct db *db,
	const struct registration_token_row *row);
/** All, the oldest first. */
MUST_CHECK enum err store_registration_token_list(struct ctx *ctx, struct db *db,
	struct registration_token_row **out, size_t *out_count);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_registration_token_find(struct ctx *ctx, struct db *db, struct str token,
	struct registration_token_row *out);
/** Counts one account more. Errors: MISSING (no fault text) when it is unknown, used up or expired; STORE. */
MUST_CHECK enum err store_registration_token_use(struct ctx *ctx, struct tx *tx, struct str token,
	int64_t now_ms);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_registration_token_delete(struct ctx *ctx, struct db *db,
	struct str token);

#endif
