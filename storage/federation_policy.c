/*
 * One statement per function; each change moves the version, by which running servers notice it.
 */
#include "storage/federation_policy.h"

enum err store_federation_policy_find(struct ctx *ctx, struct db *db, struct str *out_policy,
	int64_t *out_version)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FEDERATION_POLICY_FIND, DB_NO_ARGS, &rows));
	if (db_count(rows) != 1) {
		return fail_cause(ctx, ERR_STORE, "federation_policy has no row");
	}
	*out_policy = db_str(rows, 0, 0);
	*out_version = db_int(rows, 0, 1);
	return ERR_OK;
}

enum err store_federation_policy_set(struct ctx *ctx, struct db *db, struct str policy)
{
	return db_exec(ctx, db, STMT_FEDERATION_POLICY_SET, DB_ARGS(db_text(policy)), NULL);
}

enum err store_federation_server_list(struct ctx *ctx, struct db *db,
	struct federation_server_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FEDERATION_SERVER_LIST, DB_ARGS(db_bigint(FEDERATION_MAX_PATTERNS)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct federation_server_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct federation_server_row){
			.pattern = db_str(rows, i, 0),
			.is_allowed = db_is_true(rows, i, 1),
		};
	}
	return ERR_OK;
}

enum err store_federation_server_put(struct ctx *ctx, struct db *db,
	const struct federation_server_row *row)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FEDERATION_SERVER_PUT,
		DB_ARGS(db_text(row->pattern), db_bool(row->is_allowed),
			db_bigint(FEDERATION_MAX_PATTERNS)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK
							  : fail(ctx, ERR_LIMIT, "M_LIMIT_EXCEEDED",
									"There are %d patterns already", (int)FEDERATION_MAX_PATTERNS);
}

enum err store_federation_server_delete(struct ctx *ctx, struct db *db, struct str pattern)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FEDERATION_SERVER_DELETE, DB_ARGS(db_text(pattern)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}
