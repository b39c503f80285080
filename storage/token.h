/**
 * Rows of access and refresh tokens. Tokens themselves are never here: only their SHA-256.
 *
 * A device has one confirmed access token, alone or in a pair with a refresh token. Refreshing adds a pair that is not
 * confirmed; the first use of one of its tokens confirms it, and ends all other tokens of the device.
 * Spec: client-server API, "Refreshing access tokens"
 */
#ifndef BELFRY_STORAGE_TOKEN_H
#define BELFRY_STORAGE_TOKEN_H

#include "storage/account.h"
#include "storage/terms.h"

struct token_row {
	struct str user_id;
	struct str device_id;
	int64_t device_came_ms;
	struct str refresh_hash; /**< of its pair; p == NULL: no refresh token */
	bool is_confirmed;
	int64_t expires_at_ms; /**< 0: never */
	enum account_state state;
	bool is_suspended;
	bool is_admin;
	bool is_guest;
	bool lacks_terms;           /**< has not accepted all that was asked for */
	struct str notices_room_id; /**< of who lacks terms, the room for notices; p == NULL: none */
	bool is_oauth;              /**< the device logged in by the OAuth 2.0 API */
};

/**
 * An access token by its hash.
 * @param required  policies that its user has to have accepted; may be none
 * Errors: MISSING (no fault text); STORE
 */
MUST_CHECK enum err store_token_find(struct ctx *ctx, struct db *db, struct str token_hash,
	const struct terms_versions *required, struct token_row *out);

/** A new access token, or pair of tokens. */
struct token_pair {
	struct str user_id;
	struct str device_id;
	struct str token_hash;
	int64_t expires_at_ms;         /**< 0: never */
	struct str refresh_hash;       /**< p == NULL: no refresh token */
	int64_t refresh_expires_at_ms; /**< 0: never */
	bool is_confirmed;
	int64_t now_ms;
};
/** Adds it. Two round trips with a refresh token. */
MUST_CHECK enum err store_token_insert(struct ctx *ctx, struct tx *tx,
	const struct token_pair *pair);

/** Ends all tokens of a device, which is no OAuth client's any more. */
MUST_CHECK enum err store_token_delete_device(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id);

struct refresh_row {
	struct str user_id;
	struct str device_id;
	bool is_confirmed;
	int64_t expires_at_ms; /**< 0: never */
	enum account_state state;
	struct str
		client_id;    /**< of an OAuth client; p == NULL: the device logged in by the legacy API */
	struct str scope; /**< of the same */
};
/** A refresh token, locked with its device until the transaction ends. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_refresh_lock(struct ctx *ctx, struct tx *tx, struct str refresh_hash,
	struct refresh_row *out);

/**
 * The pair of this refresh token is used: it is confirmed, all other tokens of the device end. The device's row is to be
 * locked before. Two round trips.
 * Errors: MISSING (no fault text) when the pair has ended meanwhile; STORE
 */
MUST_CHECK enum err store_token_confirm(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id, struct str refresh_hash);

/** Forgets access tokens that expired before a time and cannot be refreshed. */
MUST_CHECK enum err store_token_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms);

#endif
