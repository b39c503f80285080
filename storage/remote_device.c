/*
 * Devices of users of other servers. One statement per function.
 */
#include "storage/remote_device.h"

enum err store_remote_list_find(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct remote_list_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_REMOTE_LIST_FIND, DB_ARGS(db_texts(user_ids, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct remote_list_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct remote_list_row){
			.user_id = db_str(rows, i, 0),
			.stream_id = db_int(rows, i, 1),
			.master_key = db_str(rows, i, 2),
			.self_signing_key = db_str(rows, i, 3),
			.is_stale = db_is_true(rows, i, 4),
		};
	}
	return ERR_OK;
}

enum err store_remote_device_find(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct remote_device_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_REMOTE_DEVICE_FIND, DB_ARGS(db_texts(user_ids, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct remote_device_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct remote_device_row){
			.user_id = db_str(rows, i, 0),
			.device_id = db_str(rows, i, 1),
			.keys = db_str(rows, i, 2),
			.display_name = db_str(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_remote_user_shares(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_REMOTE_USER_SHARES, DB_ARGS(db_texts(user_ids, count)), out,
		out_count);
}

void store_remote_list_set(struct write *write, const struct remote_list_row *row)
{
	write_add(write, STMT_REMOTE_LIST_SET,
		DB_ARGS(db_text(row->user_id), db_bigint(row->stream_id), db_bool(row->is_stale),
			db_text(row->master_key), db_text(row->self_signing_key)));
}

void store_remote_list_spoil(struct write *write, struct str user_id)
{
	write_add(write, STMT_REMOTE_LIST_SPOIL, DB_ARGS(db_text(user_id)));
}

void store_remote_list_part(struct write *write, struct str user_id, int64_t room_nid)
{
	write_add(write, STMT_REMOTE_LIST_PART, DB_ARGS(db_text(user_id), db_bigint(room_nid)));
}

void store_remote_device_clear(struct write *write, struct str user_id, int64_t stream_id)
{
	write_add(write, STMT_REMOTE_DEVICE_CLEAR, DB_ARGS(db_text(user_id), db_bigint(stream_id)));
}

void store_remote_device_set(struct write *write, const struct remote_device_row *row,
	int64_t stream_id)
{
	write_add(write, STMT_REMOTE_DEVICE_SET,
		DB_ARGS(db_text(row->user_id), db_bigint(stream_id), db_text(row->device_id),
			db_text(row->keys), db_text(row->display_name)));
}

void store_remote_device_delete(struct write *write, struct str user_id, struct str device_id)
{
	write_add(write, STMT_REMOTE_DEVICE_DELETE, DB_ARGS(db_text(user_id), db_text(device_id)));
}
