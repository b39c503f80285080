/**
 * Who has accepted which policy in which version.
 */
#ifndef BELFRY_STORAGE_TERMS_H
#define BELFRY_STORAGE_TERMS_H

#include "storage/db.h"

/** A list of policies in certain versions; ids[i] and versions[i] belong together. */
struct terms_versions {
	struct str *ids;
	struct str *versions;
	size_t count;
};

struct terms_accepted_row {
	struct str user_id;
	struct str policy_id;
	struct str version;
	int64_t accepted_at_ms;
};

/** Notes that a user has accepted them; what was accepted before stays as it is, and so do deactivated users. */
MUST_CHECK enum err store_terms_accept(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct terms_versions *terms, int64_t now_ms);
/** Whether a user has not accepted all of `terms`. */
MUST_CHECK enum err store_terms_lacking(struct ctx *ctx, struct db *db, struct str user_id,
	const struct terms_versions *terms, bool *out);
/** A server notice about these versions begins to wait, if the user was not told of them before. */
MUST_CHECK enum err store_terms_tell(struct ctx *ctx, struct db *db, struct str user_id,
	struct str versions, struct str body, int64_t now_ms);
/**
 * Up to `limit` rows by user, policy and version, those after `after`.
 * @param after    texts are empty: from the first
 * @param user_id  p == NULL: of all users
 */
MUST_CHECK enum err store_terms_accepted_list(struct ctx *ctx, struct db *db,
	const struct terms_accepted_row *after, struct str user_id, int64_t limit,
	struct terms_accepted_row **out, size_t *out_count);

struct terms_missing_row {
	struct str user_id;
	struct str missing; /**< "terms 1.2, privacy 3" */
};
/** Up to `limit` users after a user id, neither deactivated nor guests, who have not accepted all of `terms`. */
MUST_CHECK enum err store_terms_missing(struct ctx *ctx, struct db *db, struct str after,
	const struct terms_versions *terms, int64_t limit, struct terms_missing_row **out,
	size_t *out_count);

#endif
