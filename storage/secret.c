/*
 * Short-lived secrets. One statement per function.
 */
#include "storage/secret.h"

static const struct str kind_names[] = {
	[SECRET_OPENID] = STR_INIT("openid"),
	[SECRET_LOGIN] = STR_INIT("login"),
	[SECRET_SSO] = STR_INIT("sso"),
	[SECRET_WEB] = STR_INIT("web"),
	[SECRET_OAUTH_CODE] = STR_INIT("oauth_code"),
	[SECRET_OAUTH_USED] = STR_INIT("oauth_used"),
};

#define INSERT_ARGS(row) \
	DB_ARGS(db_text(kind_names[(row)->kind]), db_bytes((row)->hash), \
		db_text((row)->user_id.p != NULL ? (row)->user_id : STR("")), \
		db_text((row)->data.p != NULL ? (row)->data : STR("")), db_bigint((row)->expires_at_ms))

enum err store_secret_insert(struct ctx *ctx, struct db *db, const struct secret_row *row)
{
	return db_exec(ctx, db, STMT_SECRET_INSERT, INSERT_ARGS(row), NULL);
}

enum err store_secret_insert_tx(struct ctx *ctx, struct tx *tx, const struct secret_row *row)
{
	return tx_query(ctx, tx, STMT_SECRET_INSERT, INSERT_ARGS(row), NULL);
}

static enum err read_row(struct db_rows *rows, struct secret_row *out)
{
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	out->user_id = db_str(rows, 0, 0);
	out->data = db_str(rows, 0, 1);
	out->expires_at_ms = db_int(rows, 0, 2);
	return ERR_OK;
}

static enum err read_one(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	struct secret_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, stmt, args, &rows));
	return read_row(rows, out);
}

enum err store_secret_find(struct ctx *ctx, struct db *db, enum secret_kind kind, struct str hash,
	int64_t now_ms, struct secret_row *out)
{
	*out = (struct secret_row){.kind = kind, .hash = hash};
	return read_one(ctx, db, STMT_SECRET_FIND,
		DB_ARGS(db_text(kind_names[kind]), db_bytes(hash), db_bigint(now_ms)), out);
}

enum err store_secret_find_tx(struct ctx *ctx, struct tx *tx, enum secret_kind kind,
	struct str hash, int64_t now_ms, struct secret_row *out)
{
	struct db_rows *rows;
	*out = (struct secret_row){.kind = kind, .hash = hash};
	TRY(tx_query(ctx, tx, STMT_SECRET_FIND,
		DB_ARGS(db_text(kind_names[kind]), db_bytes(hash), db_bigint(now_ms)), &rows));
	return read_row(rows, out);
}

enum err store_secret_take(struct ctx *ctx, struct db *db, enum secret_kind kind, struct str hash,
	int64_t now_ms, struct secret_row *out)
{
	*out = (struct secret_row){.kind = kind, .hash = hash};
	return read_one(ctx, db, STMT_SECRET_TAKE,
		DB_ARGS(db_text(kind_names[kind]), db_bytes(hash), db_bigint(now_ms)), out);
}

enum err store_secret_delete_user(struct ctx *ctx, struct tx *tx, struct str user_id)
{
	struct db_rows *rows;
	return tx_query(ctx, tx, STMT_SECRET_DELETE_USER, DB_ARGS(db_text(user_id)), &rows);
}

enum err store_secret_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_SECRET_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}
