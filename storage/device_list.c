/*
 * Changes of device lists. One statement per function.
 */
#include "storage/device_list.h"

enum err store_device_list_changed(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t after, const int64_t *room_nids, size_t room_n, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_DEVICE_LIST_CHANGED,
		DB_ARGS(db_text(user_id), db_bigint(after), db_bigints(room_nids, room_n)), out, out_count);
}

enum err store_device_list_sharing(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, const int64_t *room_nids, size_t room_n, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_DEVICE_LIST_SHARING,
		DB_ARGS(db_texts(user_ids, count), db_bigints(room_nids, room_n)), out, out_count);
}

enum err store_device_list_position(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_LIST_POSITION, DB_ARGS(db_text(user_id)), &rows));
	*out = db_count(rows) > 0 ? db_int(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err store_device_list_pending(struct ctx *ctx, struct db *db, int64_t limit, struct str **out,
	size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_DEVICE_LIST_PENDING, DB_ARGS(db_bigint(limit)), out,
		out_count);
}

enum err store_device_list_is_pending(struct ctx *ctx, struct db *db, struct str user_id, bool *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_LIST_IS_PENDING, DB_ARGS(db_text(user_id)), &rows));
	*out = db_count(rows) > 0;
	return ERR_OK;
}

void store_device_list_change(struct write *write, struct str user_id, struct str seen_by,
	size_t position_index)
{
	write_add(write, STMT_DEVICE_LIST_CHANGE,
		DB_ARGS(db_text(user_id), db_text(seen_by), db_position(position_index)));
}

void store_device_list_settle(struct write *write, struct str user_id)
{
	write_add(write, STMT_DEVICE_LIST_SETTLE, DB_ARGS(db_text(user_id)));
}
