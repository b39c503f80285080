/**
 * Short-lived secrets of accounts. Secrets themselves are never here: only their SHA-256.
 */
#ifndef BELFRY_STORAGE_SECRET_H
#define BELFRY_STORAGE_SECRET_H

#include "storage/db.h"

/** What a secret is good for; one of a kind is none of the others. */
enum secret_kind {
	SECRET_OPENID,     /**< shows another service who somebody is */
	SECRET_LOGIN,      /**< one log-in */
	SECRET_SSO,        /**< a sign-in by an identity provider under way */
	SECRET_OAUTH_CODE, /**< an OAuth client's code, for one log-in */
	SECRET_OAUTH_USED, /**< one that was used (store_oauth_consent_spend) */
	SECRET_WEB,        /**< a browser that is signed in to the pages of accounts */
};

struct secret_row {
	enum secret_kind kind;
	struct str hash;
	struct str user_id; /**< empty: nobody yet */
	struct str data;    /**< may be empty */
	int64_t expires_at_ms;
};

/** A new one; its hash must be another than all. Errors: STORE     Cost: one round trip */
MUST_CHECK enum err store_secret_insert(struct ctx *ctx, struct db *db,
	const struct secret_row *row);
/** The same as part of a transaction. */
MUST_CHECK enum err store_secret_insert_tx(struct ctx *ctx, struct tx *tx,
	const struct secret_row *row);
/** One that has not ended. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_secret_find(struct ctx *ctx, struct db *db, enum secret_kind kind,
	struct str hash, int64_t now_ms, struct secret_row *out);
/** The same as part of a transaction. */
MUST_CHECK enum err store_secret_find_tx(struct ctx *ctx, struct tx *tx, enum secret_kind kind,
	struct str hash, int64_t now_ms, struct secret_row *out);
/** The same, and it has ended with that. Errors: MISSING (no fault text) for all but the first who asks; STORE. */
MUST_CHECK enum err store_secret_take(struct ctx *ctx, struct db *db, enum secret_kind kind,
	struct str hash, int64_t now_ms, struct secret_row *out);
/** All of a user, and what lets in without being here: what they allowed to devices, the mails that reset their password. */
MUST_CHECK enum err store_secret_delete_user(struct ctx *ctx, struct tx *tx, struct str user_id);
/** Forgets those that ended before a time. */
MUST_CHECK enum err store_secret_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms);

#endif
