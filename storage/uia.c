/*
 * Sessions of user-interactive authentication. One statement per function.
 */
#include "storage/uia.h"

enum err store_uia_insert(struct ctx *ctx, struct db *db, struct str session_hash,
	const struct uia_row *row)
{
	struct str completed = row->completed.p != NULL ? row->completed : STR("");
	struct str user_id = row->user_id.p != NULL ? row->user_id : STR("");
	return db_exec(ctx, db, STMT_UIA_INSERT,
		DB_ARGS(db_bytes(session_hash), db_text(user_id), db_bytes(row->binding),
			db_text(completed), db_text(row->registration_token), db_bigint(row->expires_at_ms),
			db_bytes(row->body), db_text(row->email), db_text(row->terms)),
		NULL);
}

enum err store_uia_find(struct ctx *ctx, struct db *db, struct str session_hash,
	struct uia_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_UIA_FIND, DB_ARGS(db_bytes(session_hash)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct uia_row){
		.user_id = db_str(rows, 0, 0),
		.binding = db_str(rows, 0, 1),
		.completed = db_str(rows, 0, 2),
		.registration_token = db_str(rows, 0, 3),
		.expires_at_ms = db_int(rows, 0, 4),
		.body = db_str(rows, 0, 5),
		.email = db_str(rows, 0, 6),
		.terms = db_str(rows, 0, 7),
	};
	return ERR_OK;
}

/* A statement that has to meet one row. */
static enum err exec_one(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, stmt, args, &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_uia_set_completed(struct ctx *ctx, struct db *db, struct str session_hash,
	struct str before, const struct uia_row *after)
{
	struct str known = before.p != NULL ? before : STR("");
	return exec_one(ctx, db, STMT_UIA_SET_COMPLETED,
		DB_ARGS(db_bytes(session_hash), db_text(known), db_text(after->completed),
			db_text(after->registration_token), db_text(after->email), db_text(after->terms)));
}

enum err store_uia_delete(struct ctx *ctx, struct db *db, struct str session_hash)
{
	return exec_one(ctx, db, STMT_UIA_DELETE, DB_ARGS(db_bytes(session_hash)));
}

enum err store_uia_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_UIA_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}
