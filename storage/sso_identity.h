/**
 * Which account a user of an identity provider has.
 */
#ifndef BELFRY_STORAGE_SSO_IDENTITY_H
#define BELFRY_STORAGE_SSO_IDENTITY_H

#include "storage/db.h"

struct sso_identity {
	struct str provider;
	struct str subject;
};

/** @param out_user_id  in the ctx's arena. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_sso_identity_find(struct ctx *ctx, struct db *db,
	const struct sso_identity *identity, struct str *out_user_id);
/** Errors: CONFLICT (no fault text) when the subject has an account; STORE. */
MUST_CHECK enum err store_sso_identity_insert(struct ctx *ctx, struct tx *tx,
	const struct sso_identity *identity, struct str user_id, int64_t now_ms);

#endif
