/*
 * Sessions by which two devices meet. One statement per function.
 */
#include "storage/rendezvous.h"

enum err store_rendezvous_insert(struct ctx *ctx, struct db *db, const struct rendezvous_row *row)
{
	return db_exec(ctx, db, STMT_RENDEZVOUS_INSERT,
		DB_ARGS(db_bytes(row->id_hash), db_text(row->etag), db_bytes(row->payload),
			db_bigint(row->modified_ms), db_bigint(row->expires_ms)),
		NULL);
}

enum err store_rendezvous_find(struct ctx *ctx, struct db *db, struct str id_hash, int64_t now_ms,
	struct rendezvous_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_RENDEZVOUS_FIND, DB_ARGS(db_bytes(id_hash), db_bigint(now_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct rendezvous_row){
		.id_hash = id_hash,
		.etag = db_str(rows, 0, 0),
		.payload = db_str(rows, 0, 1),
		.modified_ms = db_int(rows, 0, 2),
		.expires_ms = db_int(rows, 0, 3),
	};
	return ERR_OK;
}

enum err store_rendezvous_replace(struct ctx *ctx, struct db *db, struct str etag,
	struct rendezvous_row *row)
{
	struct db_rows *rows;
	struct str mine = row->etag;
	TRY(db_query(ctx, db, STMT_RENDEZVOUS_REPLACE,
		DB_ARGS(db_bytes(row->id_hash), db_text(etag), db_text(mine), db_bytes(row->payload),
			db_bigint(row->modified_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	row->etag = db_str(rows, 0, 0);
	row->modified_ms = db_int(rows, 0, 1);
	row->expires_ms = db_int(rows, 0, 2);
	return str_equals(row->etag, mine) ? ERR_OK : ERR_CONFLICT;
}

enum err store_rendezvous_delete(struct ctx *ctx, struct db *db, struct str id_hash, int64_t now_ms)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_RENDEZVOUS_DELETE, DB_ARGS(db_bytes(id_hash), db_bigint(now_ms)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_rendezvous_delete_old(struct ctx *ctx, struct db *db, int64_t now_ms)
{
	return db_exec(ctx, db, STMT_RENDEZVOUS_DELETE_OLD, DB_ARGS(db_bigint(now_ms)), NULL);
}
