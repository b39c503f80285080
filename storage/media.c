/*
 * The content repository's rows. One statement per function.
 */
#include "storage/media.h"

enum err store_media_insert(struct ctx *ctx, struct db *db, struct str origin, struct str media_id,
	const struct media_row *row, bool *out_was_removed)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_INSERT,
		DB_ARGS(db_text(origin), db_text(media_id), db_text(row->user_id),
			db_text(row->content_type), db_text(row->file_name), db_bigint(row->size_bytes),
			db_bytes(row->sha256), db_bigint(row->created_ms), db_bool(row->is_open),
			db_bool(row->is_remote), db_bigint(row->used_ms)),
		&rows));
	*out_was_removed = db_is_true(rows, 0, 0);
	return ERR_OK;
}

enum err store_media_reserve(struct ctx *ctx, struct db *db, struct str origin, struct str media_id,
	const struct media_row *row, int64_t limit)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_RESERVE,
		DB_ARGS(db_text(origin), db_text(media_id), db_text(row->user_id),
			db_bigint(row->created_ms), db_bigint(row->expires_ms), db_bigint(limit),
			db_bool(row->is_open)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_LIMIT;
}

enum err store_media_fill(struct ctx *ctx, struct db *db, struct str origin, struct str media_id,
	const struct media_row *row, int64_t now_ms, bool *out_was_removed)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_FILL,
		DB_ARGS(db_text(origin), db_text(media_id), db_text(row->user_id),
			db_text(row->content_type), db_text(row->file_name), db_bigint(row->size_bytes),
			db_bytes(row->sha256), db_bigint(now_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_was_removed = db_is_true(rows, 0, 0);
	return ERR_OK;
}

enum err store_media_find(struct ctx *ctx, struct db *db, struct str origin, struct str media_id,
	struct media_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_FIND, DB_ARGS(db_text(origin), db_text(media_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct media_row){
		.user_id = db_str(rows, 0, 0),
		.content_type = db_str(rows, 0, 1),
		.file_name = db_str(rows, 0, 2),
		.size_bytes = db_int(rows, 0, 3),
		.sha256 = db_str(rows, 0, 4),
		.created_ms = db_int(rows, 0, 5),
		.expires_ms = db_int(rows, 0, 6),
		.is_open = db_is_true(rows, 0, 7),
		.is_quarantined = db_is_true(rows, 0, 8),
		.is_remote = db_is_true(rows, 0, 9),
		.used_ms = db_int(rows, 0, 10),
	};
	return ERR_OK;
}

enum err store_media_set_used(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, int64_t used_ms)
{
	return db_exec(ctx, db, STMT_MEDIA_SET_USED,
		DB_ARGS(db_text(origin), db_text(media_id), db_bigint(used_ms)), NULL);
}

enum err store_media_remote_total(struct ctx *ctx, struct db *db, int64_t *out_bytes)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_REMOTE_TOTAL, DB_NO_ARGS, &rows));
	*out_bytes = db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_media_remote_oldest(struct ctx *ctx, struct db *db, int64_t limit,
	struct media_copy **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_REMOTE_OLDEST, DB_ARGS(db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct media_copy, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct media_copy){
			.origin = db_str(rows, i, 0),
			.media_id = db_str(rows, i, 1),
			.size_bytes = db_int(rows, i, 2),
			.sha256 = db_str(rows, i, 3),
			.used_ms = db_int(rows, i, 4),
		};
	}
	return ERR_OK;
}

enum err store_media_remote_delete(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_MEDIA_REMOTE_DELETE, DB_ARGS(db_text(origin), db_text(media_id)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_thumbnails_delete(struct ctx *ctx, struct db *db, struct str source_sha256,
	struct str **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_THUMBNAILS_DELETE, DB_ARGS(db_bytes(source_sha256)), &rows));
	*out = ARENA_NEW_ARRAY(ctx->arena, struct str, db_count(rows));
	*out_count = 0;
	for (size_t i = 0; i < db_count(rows); i++) {
		if (!db_is_null(rows, i, 0)) {
			(*out)[(*out_count)++] = db_str(rows, i, 0);
		}
	}
	return ERR_OK;
}

enum err store_media_usage(struct ctx *ctx, struct db *db, struct str user_id, int64_t *out_files,
	int64_t *out_bytes)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_USAGE, DB_ARGS(db_text(user_id)), &rows));
	*out_files = db_int(rows, 0, 0);
	*out_bytes = db_int(rows, 0, 1);
	return ERR_OK;
}

enum err store_media_quarantine(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, bool is_quarantined)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_MEDIA_QUARANTINE,
		DB_ARGS(db_text(origin), db_text(media_id), db_bool(is_quarantined)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_media_delete_expired(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_MEDIA_DELETE_EXPIRED, DB_ARGS(db_bigint(before_ms)), NULL);
}

enum err store_thumbnail_find(struct ctx *ctx, struct db *db, struct str source_sha256,
	struct str variant, struct thumbnail_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_THUMBNAIL_FIND,
		DB_ARGS(db_bytes(source_sha256), db_text(variant)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct thumbnail_row){
		.content_type = db_str(rows, 0, 0),
		.size_bytes = db_int(rows, 0, 1),
		.sha256 = db_str(rows, 0, 2),
		.is_too_large = db_is_true(rows, 0, 3),
	};
	return ERR_OK;
}

enum err store_thumbnail_insert(struct ctx *ctx, struct db *db, struct str source_sha256,
	struct str variant, const struct thumbnail_row *row, int64_t now_ms, bool *out_was_removed)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_THUMBNAIL_INSERT,
		DB_ARGS(db_bytes(source_sha256), db_text(variant), db_text(row->content_type),
			db_bigint(row->size_bytes), db_bytes(row->sha256), db_bool(row->is_too_large),
			db_bigint(now_ms)),
		&rows));
	*out_was_removed = db_is_true(rows, 0, 0);
	return ERR_OK;
}

/* --- administration --------------------------------------------------------------------------------- */

enum err store_media_quarantine_user(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out_count)
{
	return db_exec(ctx, db, STMT_MEDIA_QUARANTINE_USER, DB_ARGS(db_text(user_id)), out_count);
}

enum err store_media_delete(struct ctx *ctx, struct db *db, struct str origin, struct str media_id,
	int64_t now_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_DELETE,
		DB_ARGS(db_text(origin), db_text(media_id), db_bigint(now_ms)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_media_delete_user(struct ctx *ctx, struct db *db, struct str user_id, int64_t limit,
	int64_t now_ms, struct str **out_ids, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_MEDIA_DELETE_USER,
		DB_ARGS(db_text(user_id), db_bigint(now_ms), db_bigint(limit)), out_ids, out_count);
}

enum err store_media_list(struct ctx *ctx, struct db *db, struct str user_id, int64_t limit,
	int64_t from, struct media_listed **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEDIA_LIST,
		DB_ARGS(db_text(user_id), db_bigint(limit), db_bigint(from)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct media_listed, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct media_listed){
			.origin = db_str(rows, i, 0),
			.media_id = db_str(rows, i, 1),
			.row = {.user_id = db_str(rows, i, 2),
				.content_type = db_str(rows, i, 3),
				.file_name = db_str(rows, i, 4),
				.size_bytes = db_int(rows, i, 5),
				.created_ms = db_int(rows, i, 6),
				.is_quarantined = db_is_true(rows, i, 7)},
		};
	}
	return ERR_OK;
}

enum err store_media_garbage_take(struct ctx *ctx, struct tx *tx, int64_t now_ms,
	struct str *out_sha256, bool *out_is_wanted)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_MEDIA_GARBAGE_TAKE, DB_NO_ARGS, &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_sha256 = db_str(rows, 0, 0);
	TRY(tx_query(ctx, tx, STMT_MEDIA_GARBAGE_JUDGE,
		DB_ARGS(db_bytes(*out_sha256), db_bigint(now_ms)), &rows));
	*out_is_wanted = db_is_true(rows, 0, 0);
	return ERR_OK;
}

enum err store_media_garbage_done(struct ctx *ctx, struct tx *tx, struct str sha256, bool is_wanted,
	int64_t now_ms)
{
	return is_wanted ? tx_query(ctx, tx, STMT_MEDIA_GARBAGE_KEEP, DB_ARGS(db_bytes(sha256)), NULL)
					 : tx_query(ctx, tx, STMT_MEDIA_GARBAGE_REMOVED,
						   DB_ARGS(db_bytes(sha256), db_bigint(now_ms)), NULL);
}

enum err store_media_garbage_forget(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_MEDIA_GARBAGE_FORGET, DB_ARGS(db_bigint(before_ms)), NULL);
}
