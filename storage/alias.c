/*
 * Local room aliases. One statement per function.
 */
#include "storage/alias.h"

enum err store_alias_find(struct ctx *ctx, struct db *db, struct str alias, struct alias_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ALIAS_FIND, DB_ARGS(db_text(alias)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct alias_row){
		.alias = alias,
		.room_nid = db_int(rows, 0, 0),
		.room_id = db_str(rows, 0, 1),
		.creator = db_str(rows, 0, 2),
	};
	return ERR_OK;
}

enum err store_alias_insert(struct ctx *ctx, struct db *db, const struct alias_row *row,
	int64_t now_ms)
{
	return db_exec(ctx, db, STMT_ALIAS_INSERT,
		DB_ARGS(db_text(row->alias), db_bigint(row->room_nid), db_text(row->creator),
			db_bigint(now_ms)),
		NULL);
}

void store_alias_claim(struct write *write, const struct alias_row *row, int64_t now_ms)
{
	write_add(write, STMT_ALIAS_CLAIM,
		DB_ARGS(db_text(row->alias), db_bigint(row->room_nid), db_text(row->creator),
			db_bigint(now_ms)));
}

enum err store_alias_delete(struct ctx *ctx, struct db *db, struct str alias)
{
	return db_exec(ctx, db, STMT_ALIAS_DELETE, DB_ARGS(db_text(alias)), NULL);
}

enum err store_alias_list(struct ctx *ctx, struct db *db, int64_t room_nid, struct str **out,
	size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_ALIAS_LIST, DB_ARGS(db_bigint(room_nid)), out, out_count);
}
