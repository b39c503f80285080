/*
 * Key backups. One statement per function.
 */
#include "storage/key_backup.h"

enum err store_key_backup_create(struct ctx *ctx, struct db *db, struct str user_id,
	const struct backup_row *row, int64_t most_alive, int64_t *out_version)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_KEY_BACKUP_CREATE,
		DB_ARGS(db_text(user_id), db_text(row->algorithm), db_text(row->auth_data),
			db_bigint(most_alive)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_LIMIT;
	}
	*out_version = db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_key_backup_find(struct ctx *ctx, struct db *db, struct str user_id, int64_t version,
	struct backup_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_KEY_BACKUP_FIND, DB_ARGS(db_text(user_id), db_bigint(version)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct backup_row){
		.version = db_int(rows, 0, 0),
		.algorithm = db_str(rows, 0, 1),
		.auth_data = db_str(rows, 0, 2),
		.etag = db_int(rows, 0, 3),
		.key_count = db_int(rows, 0, 4),
		.is_deleted = db_is_true(rows, 0, 5),
	};
	return ERR_OK;
}

enum err store_key_backup_update(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t version, struct str auth_data)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_KEY_BACKUP_UPDATE,
		DB_ARGS(db_text(user_id), db_bigint(version), db_text(auth_data)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_key_backup_delete(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t version)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_KEY_BACKUP_DELETE, DB_ARGS(db_text(user_id), db_bigint(version)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_key_backup_put(struct ctx *ctx, struct db *db, const struct backup_span *span,
	const struct backup_key *keys, size_t count, int64_t most_keys, struct backup_row *out)
{
	struct str *room_ids = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1);
	struct str *session_ids = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1);
	int64_t *indexes = ARENA_NEW_ARRAY(ctx->arena, int64_t, count + 1);
	int64_t *forwarded = ARENA_NEW_ARRAY(ctx->arena, int64_t, count + 1);
	int64_t *verified = ARENA_NEW_ARRAY(ctx->arena, int64_t, count + 1);
	struct str *data = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1);
	for (size_t i = 0; i < count; i++) {
		room_ids[i] = keys[i].room_id;
		session_ids[i] = keys[i].session_id;
		indexes[i] = keys[i].first_message_index;
		forwarded[i] = keys[i].forwarded_count;
		verified[i] = keys[i].is_verified;
		data[i] = keys[i].session_data;
	}
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_KEY_BACKUP_PUT,
		DB_ARGS(db_text(span->user_id), db_bigint(span->version), db_texts(room_ids, count),
			db_texts(session_ids, count), db_bigints(indexes, count), db_bigints(forwarded, count),
			db_bigints(verified, count), db_texts(data, count), db_bigint(most_keys)),
		&rows));
	*out = (struct backup_row){
		.version = db_int(rows, 0, 0),
		.etag = db_int(rows, 0, 1),
		.key_count = db_int(rows, 0, 2),
	};
	return ERR_OK;
}

static enum err query_keys(struct ctx *ctx, struct db *db, const struct backup_span *span,
	struct db_rows **out)
{
	struct db_value user_id = db_text(span->user_id);
	struct db_value version = db_bigint(span->version);
	struct db_value room_id = db_text(span->room_id);
	if (span->room_id.p == NULL) {
		return db_query(ctx, db, STMT_KEY_BACKUP_ALL, DB_ARGS(user_id, version), out);
	}
	if (span->session_id.p == NULL) {
		return db_query(ctx, db, STMT_KEY_BACKUP_ROOM, DB_ARGS(user_id, version, room_id), out);
	}
	return db_query(ctx, db, STMT_KEY_BACKUP_SESSION,
		DB_ARGS(user_id, version, room_id, db_text(span->session_id)), out);
}

enum err store_key_backup_keys(struct ctx *ctx, struct db *db, const struct backup_span *span,
	struct backup_key **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(query_keys(ctx, db, span, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct backup_key, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct backup_key){
			.room_id = db_str(rows, i, 0),
			.session_id = db_str(rows, i, 1),
			.first_message_index = db_int(rows, i, 2),
			.forwarded_count = db_int(rows, i, 3),
			.is_verified = db_is_true(rows, i, 4),
			.session_data = db_str(rows, i, 5),
		};
	}
	return ERR_OK;
}

enum err store_key_backup_clear(struct ctx *ctx, struct db *db, const struct backup_span *span,
	struct backup_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_KEY_BACKUP_CLEAR,
		DB_ARGS(db_text(span->user_id), db_bigint(span->version), db_text(span->room_id),
			db_text(span->session_id)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct backup_row){
		.version = span->version,
		.etag = db_int(rows, 0, 0),
		.key_count = db_int(rows, 0, 1),
	};
	return ERR_OK;
}
