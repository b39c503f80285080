/*
 * Registration tokens. One statement per function. They are kept readable: administrators list them, and what
 * they give (an account among many) is no secret of anybody.
 */
#include "storage/registration_token.h"

enum err store_registration_token_insert(struct ctx *ctx, struct db *db,
	const struct registration_token_row *row)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_REGISTRATION_TOKEN_INSERT,
		DB_ARGS(db_text(row->token),
			row->uses_allowed < 0 ? db_null() : db_bigint(row->uses_allowed),
			db_bigint(row->expires_at_ms), db_bigint(row->created_at_ms)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_CONFLICT;
}

static struct registration_token_row read_token(const struct db_rows *rows, size_t i)
{
	return (struct registration_token_row){
		.token = db_str(rows, i, 0),
		.uses_allowed = db_is_null(rows, i, 1) ? -1 : db_int(rows, i, 1),
		.use_count = db_int(rows, i, 2),
		.expires_at_ms = db_int(rows, i, 3),
		.created_at_ms = db_int(rows, i, 4),
	};
}

enum err store_registration_token_list(struct ctx *ctx, struct db *db,
	struct registration_token_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_REGISTRATION_TOKEN_LIST, DB_NO_ARGS, &rows));
	size_t n = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct registration_token_row, n + 1);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = read_token(rows, i);
	}
	*out_count = n;
	return ERR_OK;
}

enum err store_registration_token_find(struct ctx *ctx, struct db *db, struct str token,
	struct registration_token_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_REGISTRATION_TOKEN_FIND, DB_ARGS(db_text(token)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = read_token(rows, 0);
	return ERR_OK;
}

enum err store_registration_token_use(struct ctx *ctx, struct tx *tx, struct str token,
	int64_t now_ms)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_REGISTRATION_TOKEN_USE, DB_ARGS(db_text(token), db_bigint(now_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_registration_token_delete(struct ctx *ctx, struct db *db, struct str token)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_REGISTRATION_TOKEN_DELETE, DB_ARGS(db_text(token)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}
