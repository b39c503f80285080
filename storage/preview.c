/*
 * Previews of web pages. One statement per function.
 */
#include "storage/preview.h"

enum err store_preview_find(struct ctx *ctx, struct db *db, struct str url_sha256, int64_t now_ms,
	struct str *out_answer)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PREVIEW_FIND, DB_ARGS(db_bytes(url_sha256), db_bigint(now_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_answer = db_str(rows, 0, 0);
	return ERR_OK;
}

enum err store_preview_set(struct ctx *ctx, struct db *db, struct str url_sha256, struct str answer,
	int64_t expires_ms)
{
	return db_exec(ctx, db, STMT_PREVIEW_SET,
		DB_ARGS(db_bytes(url_sha256), db_text(answer), db_bigint(expires_ms)), NULL);
}

enum err store_preview_delete_expired(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_PREVIEW_DELETE_EXPIRED, DB_ARGS(db_bigint(before_ms)), NULL);
}
