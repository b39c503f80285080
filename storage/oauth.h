/**
 * Rows of the OAuth 2.0 API: clients, the devices that logged in by it, log-ins of devices without a browser. Secrets themselves are
 * never here: only their SHA-256.
 */
#ifndef BELFRY_STORAGE_OAUTH_H
#define BELFRY_STORAGE_OAUTH_H

#include "storage/db.h"

/* --- clients ---------------------------------------------------------------------------------------- */

/** Adds a client as one that was last used then; one that is there and was last used before `stale_ms` counts as used then too. */
MUST_CHECK enum err store_oauth_client_register(struct ctx *ctx, struct db *db,
	struct str client_id, struct str metadata, int64_t used_ms, int64_t stale_ms);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_oauth_client_find(struct ctx *ctx, struct db *db, struct str client_id,
	struct str *out_metadata);
/** Deletes those without a session that were not used since a time. */
MUST_CHECK enum err store_oauth_client_delete_old(struct ctx *ctx, struct db *db,
	int64_t before_ms);

/* --- devices ----------------------------------------------------------------------------------------- */

struct oauth_session_row {
	struct str user_id;
	struct str device_id;
	struct str client_id;   /**< p == NULL: the device logged in by the legacy API */
	struct str family_hash; /**< for adding only */
	struct str scope;       /**< for adding only */
	int64_t now_ms;         /**< for adding only */
};
/** A device belongs to a client from now on, which was used then (noted once a day). The device is held (store_device_upsert), and its tokens have ended. */
MUST_CHECK enum err store_oauth_session_insert(struct ctx *ctx, struct tx *tx,
	const struct oauth_session_row *row);
/** Errors: MISSING (no fault text) when the device has none; STORE. */
MUST_CHECK enum err store_oauth_session_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct oauth_session_row *out);
/** The device whose refresh tokens begin so. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_oauth_session_by_family(struct ctx *ctx, struct db *db,
	struct str family_hash, struct oauth_session_row *out);
/** The device of a token, access or refresh. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_oauth_token_find(struct ctx *ctx, struct db *db, struct str token_hash,
	struct oauth_session_row *out);

/**
 * A code (SECRET_OAUTH_CODE) or a device code that was approved is used up.
 * Errors: MISSING (no fault text) for all but the first who asks, and when it is not of that user, or has ended; STORE
 */
MUST_CHECK enum err store_oauth_consent_spend(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str hash, int64_t now_ms);

/* --- log-ins of devices without a browser ------------------------------------------------------------------ */

enum oauth_device_state { OAUTH_DEVICE_PENDING, OAUTH_DEVICE_APPROVED, OAUTH_DEVICE_DENIED };

struct oauth_device_grant_row {
	struct str device_code_hash;
	struct str user_code; /**< as it is stored: without a hyphen */
	struct str client_id;
	struct str scope;
	enum oauth_device_state state;
	struct str user_id; /**< p == NULL: nobody yet */
	int64_t expires_at_ms;
	int64_t polled_at_ms; /**< when the device asked before; 0: not yet */
};
/** Errors: CONFLICT (no fault text) when the user code is taken; STORE. */
MUST_CHECK enum err store_oauth_device_grant_insert(struct ctx *ctx, struct db *db,
	const struct oauth_device_grant_row *row);
/** The device asks; also of one that has ended. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_oauth_device_grant_poll(struct ctx *ctx, struct db *db,
	struct str device_code_hash, int64_t now_ms, struct oauth_device_grant_row *out);
/** One that waits for an answer: client and scope. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_oauth_device_grant_find(struct ctx *ctx, struct db *db,
	struct str user_code, int64_t now_ms, struct oauth_device_grant_row *out);
/** Answers it; the account is held (store_account_lock). Errors: MISSING (no fault text) for all but the first; STORE. */
MUST_CHECK enum err store_oauth_device_grant_decide(struct ctx *ctx, struct tx *tx,
	struct str user_code, struct str user_id, enum oauth_device_state state, int64_t now_ms);
/** Forgets those that ended before a time. */
MUST_CHECK enum err store_oauth_device_grant_delete_old(struct ctx *ctx, struct db *db,
	int64_t before_ms);

#endif
