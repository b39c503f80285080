/*
 * Stored filters.
 */
#include "storage/filter.h"

enum err store_filter_find(struct ctx *ctx, struct db *db, struct str user_id, int64_t filter_id,
	struct str *out_definition)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FILTER_FIND, DB_ARGS(db_text(user_id), db_bigint(filter_id)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_definition = db_str(rows, 0, 0);
	return ERR_OK;
}

enum err store_filter_add(struct ctx *ctx, struct db *db, struct str user_id, struct str definition,
	struct str hash, int64_t *out_filter_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FILTER_FIND_SAME, DB_ARGS(db_text(user_id), db_bytes(hash)), &rows));
	if (db_count(rows) == 0) {
		TRY(db_query(ctx, db, STMT_FILTER_INSERT,
			DB_ARGS(db_text(user_id), db_text(definition), db_bytes(hash)), &rows));
	}
	*out_filter_id = db_int(rows, 0, 0);
	return ERR_OK;
}
