/*
 * Third-party identifiers. One statement per function.
 */
#include "storage/threepid.h"

static struct threepid_row read_threepid(const struct db_rows *rows, size_t i)
{
	return (struct threepid_row){
		.medium = db_str(rows, i, 0),
		.address = db_str(rows, i, 1),
		.user_id = db_str(rows, i, 2),
		.validated_at_ms = db_int(rows, i, 3),
		.added_at_ms = db_int(rows, i, 4),
	};
}

enum err store_threepid_find(struct ctx *ctx, struct db *db, struct str medium, struct str address,
	struct threepid_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_THREEPID_FIND, DB_ARGS(db_text(medium), db_text(address)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = read_threepid(rows, 0);
	return ERR_OK;
}

enum err store_threepid_insert(struct ctx *ctx, struct tx *tx, const struct threepid_row *row)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_THREEPID_INSERT,
		DB_ARGS(db_text(row->medium), db_text(row->address), db_text(row->user_id),
			db_bigint(row->validated_at_ms), db_bigint(row->added_at_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_CONFLICT;
}

enum err store_threepid_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct threepid_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_THREEPID_LIST, DB_ARGS(db_text(user_id)), &rows));
	size_t n = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct threepid_row, n + 1);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = read_threepid(rows, i);
	}
	*out_count = n;
	return ERR_OK;
}

enum err store_threepid_delete(struct ctx *ctx, struct db *db, struct str user_id,
	struct str medium, struct str address)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_THREEPID_DELETE,
		DB_ARGS(db_text(user_id), db_text(medium), db_text(address)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_threepid_delete_user(struct ctx *ctx, struct tx *tx, struct str user_id)
{
	struct db_rows *rows;
	return tx_query(ctx, tx, STMT_THREEPID_DELETE_USER, DB_ARGS(db_text(user_id)), &rows);
}

/* --- identity servers ------------------------------------------------------------------------------- */

enum err store_threepid_bind_insert(struct ctx *ctx, struct db *db, struct str user_id,
	const struct threepid_bind_row *row)
{
	return db_exec(ctx, db, STMT_THREEPID_BIND_INSERT,
		DB_ARGS(db_text(user_id), db_text(row->medium), db_text(row->address),
			db_text(row->id_server)),
		NULL);
}

enum err store_threepid_bind_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct threepid_bind_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_THREEPID_BIND_LIST, DB_ARGS(db_text(user_id)), &rows));
	size_t n = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct threepid_bind_row, n + 1);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = (struct threepid_bind_row){
			.medium = db_str(rows, i, 0),
			.address = db_str(rows, i, 1),
			.id_server = db_str(rows, i, 2),
		};
	}
	*out_count = n;
	return ERR_OK;
}

enum err store_threepid_bind_delete(struct ctx *ctx, struct db *db, struct str user_id,
	const struct threepid_bind_row *row)
{
	return db_exec(ctx, db, STMT_THREEPID_BIND_DELETE,
		DB_ARGS(db_text(user_id), db_text(row->medium), db_text(row->address),
			db_text(row->id_server)),
		NULL);
}
