/*
 * One statement per function; each change moves the version, by which running servers notice it.
 */
#include "storage/appservice.h"

enum err store_appservice_version(struct ctx *ctx, struct db *db, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_VERSION_FIND, DB_NO_ARGS, &rows));
	if (db_count(rows) != 1) {
		return fail_cause(ctx, ERR_STORE, "appservice_version has no row");
	}
	*out = db_int(rows, 0, 0);
	return ERR_OK;
}

static void read_rows(struct ctx *ctx, const struct db_rows *rows, struct appservice_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_row){
			.id = db_str(rows, i, 0),
			.as_token_hash = db_str(rows, i, 1),
			.hs_token = db_str(rows, i, 2),
			.registration = db_str(rows, i, 3),
			.added_ms = db_int(rows, i, 4),
			.changed_ms = db_int(rows, i, 5),
		};
	}
}

enum err store_appservice_list(struct ctx *ctx, struct db *db, struct appservice_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_LIST, DB_ARGS(db_bigint(APPSERVICES_MAX)), &rows));
	read_rows(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_appservice_lock(struct ctx *ctx, struct tx *tx)
{
	return tx_query(ctx, tx, STMT_APPSERVICE_VERSION_NEXT, DB_NO_ARGS, NULL);
}

enum err store_appservice_account_set(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str id)
{
	return tx_query(ctx, tx, STMT_APPSERVICE_ACCOUNT_SET, DB_ARGS(db_text(user_id), db_text(id)),
		NULL);
}

enum err store_appservice_list_locked(struct ctx *ctx, struct tx *tx, struct appservice_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_APPSERVICE_LIST, DB_ARGS(db_bigint(APPSERVICES_MAX)), &rows));
	read_rows(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_appservice_put(struct ctx *ctx, struct tx *tx, const struct appservice_row *row)
{
	return tx_query(ctx, tx, STMT_APPSERVICE_PUT,
		DB_ARGS(db_text(row->id), db_bytes(row->as_token_hash), db_text(row->hs_token),
			db_text(row->registration), db_bigint(row->changed_ms)),
		NULL);
}

enum err store_appservice_delete(struct ctx *ctx, struct db *db, struct str id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_DELETE, DB_ARGS(db_text(id)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}
