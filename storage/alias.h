/**
 * Rows of local room aliases.
 */
#ifndef BELFRY_STORAGE_ALIAS_H
#define BELFRY_STORAGE_ALIAS_H

#include "storage/db.h"
#include "storage/writer.h"

struct alias_row {
	struct str alias;
	int64_t room_nid;
	struct str room_id; /**< only when read */
	struct str creator; /**< user id */
};

/** Errors: MISSING; STORE. */
MUST_CHECK enum err store_alias_find(struct ctx *ctx, struct db *db, struct str alias,
	struct alias_row *out);
/** Errors: CONFLICT when it is taken; STORE. */
MUST_CHECK enum err store_alias_insert(struct ctx *ctx, struct db *db, const struct alias_row *row,
	int64_t now_ms);
/** The same as part of a write, which fails with CONFLICT when the alias is taken. */
void store_alias_claim(struct write *write, const struct alias_row *row, int64_t now_ms);
MUST_CHECK enum err store_alias_delete(struct ctx *ctx, struct db *db, struct str alias);
/** Aliases of a room, sorted; borrowed from the result. */
MUST_CHECK enum err store_alias_list(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str **out, size_t *out_count);

#endif
