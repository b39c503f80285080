/**
 * Rows of accounts: who there is, with which password and in which state.
 */
#ifndef BELFRY_STORAGE_ACCOUNT_H
#define BELFRY_STORAGE_ACCOUNT_H

#include "storage/db.h"

enum account_state {
	ACCOUNT_ACTIVE,
	ACCOUNT_LOCKED,      /**< may only log out, until it is unlocked */
	ACCOUNT_DEACTIVATED, /**< for ever */
};

struct account_row {
	struct str user_id;
	struct str password_hash; /**< PHC form; p == NULL: no login by password */
	enum account_state state;
	bool is_suspended; /**< may read, not act; beside any state */
	bool is_admin;
	bool is_guest;
	bool is_erased;
	int64_t created_at_ms;
};

/** "active", "locked", "deactivated"; static. */
const char *account_state_name(enum account_state state);
/** The other way round. A word that is none of them counts as deactivated: it lets nobody in. */
enum account_state account_state_parse(struct str name);

/**
 * Adds an account, in a transaction since a registration token may have to be used with it. Of `row`, user id, password
 * hash, is_admin, is_guest and created_at_ms count.
 * Errors: CONFLICT (no fault text) when the name was ever taken; STORE
 */
MUST_CHECK enum err store_account_insert(struct ctx *ctx, struct tx *tx,
	const struct account_row *row);

/**
 * A guest becomes a user with a password, and keeps all else.
 * Errors: MISSING (no fault text) when there is no such guest, or one who is locked; STORE
 */
MUST_CHECK enum err store_account_end_guesthood(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str password_hash);

/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_account_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct account_row *out);
/** The same; until the transaction ends nobody else changes the account. */
MUST_CHECK enum err store_account_lock(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct account_row *out);

/** Up to `limit` accounts by user id, those after `after` (empty: from the first). */
MUST_CHECK enum err store_account_list(struct ctx *ctx, struct db *db, struct str after,
	int64_t limit, struct account_row **out, size_t *out_count);

/** Errors of the five: MISSING (no fault text) when there is no such account, or it is deactivated; STORE. */
MUST_CHECK enum err store_account_set_password(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str password_hash);
/** To any state but deactivated. */
MUST_CHECK enum err store_account_set_state(struct ctx *ctx, struct tx *tx, struct str user_id,
	enum account_state state);
MUST_CHECK enum err store_account_set_suspended(struct ctx *ctx, struct tx *tx, struct str user_id,
	bool is_suspended);
MUST_CHECK enum err store_account_set_admin(struct ctx *ctx, struct tx *tx, struct str user_id,
	bool is_admin);
/** No password, no administrator, leaving its rooms. Again on a deactivated account: may add the erasure. */
MUST_CHECK enum err store_account_deactivate(struct ctx *ctx, struct tx *tx, struct str user_id,
	bool erase);

/** A user who wished to be erased. */
struct erased_row {
	struct str user_id;
	int64_t position; /**< newest in the stream at that time */
};
/** All of them, in no order. */
MUST_CHECK enum err store_account_erased(struct ctx *ctx, struct db *db, struct erased_row **out,
	size_t *out_count);

/** Which of some users are guests. */
MUST_CHECK enum err store_account_guests(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct str **out, size_t *out_count);
/** Up to `limit` deactivated users who may still be in rooms, or come into some; by their ids, those behind `after` (empty: all). */
MUST_CHECK enum err store_account_leaving(struct ctx *ctx, struct db *db, struct str after,
	int64_t limit, struct str **out, size_t *out_count);
/** The user has left all rooms, for good. */
MUST_CHECK enum err store_account_left(struct ctx *ctx, struct db *db, struct str user_id);

/** A number that moves when another process ended sessions or changed accounts. */
MUST_CHECK enum err store_session_epoch(struct ctx *ctx, struct db *db, int64_t *out);
/** Moves it. */
MUST_CHECK enum err store_session_epoch_next(struct ctx *ctx, struct tx *tx);

#endif
