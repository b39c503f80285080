/**
 * With which servers this one federates, as set by command or administrators.
 */
#ifndef BELFRY_STORAGE_FEDERATION_POLICY_H
#define BELFRY_STORAGE_FEDERATION_POLICY_H

#include "storage/db.h"

/** Patterns that are kept. */
enum { FEDERATION_MAX_PATTERNS = 10000 };

/** @param out_policy  "open", "partners", "closed"; p == NULL: as configured */
MUST_CHECK enum err store_federation_policy_find(struct ctx *ctx, struct db *db,
	struct str *out_policy, int64_t *out_version);
/** @param policy  as above */
MUST_CHECK enum err store_federation_policy_set(struct ctx *ctx, struct db *db, struct str policy);

struct federation_server_row {
	struct str pattern;
	bool is_allowed; /**< else refused */
};

/** All, by pattern. */
MUST_CHECK enum err store_federation_server_list(struct ctx *ctx, struct db *db,
	struct federation_server_row **out, size_t *out_count);
/** Errors: LIMIT M_LIMIT_EXCEEDED when there are too many; STORE */
MUST_CHECK enum err store_federation_server_put(struct ctx *ctx, struct db *db,
	const struct federation_server_row *row);
/** Errors: MISSING (no fault text); STORE */
MUST_CHECK enum err store_federation_server_delete(struct ctx *ctx, struct db *db,
	struct str pattern);

#endif
