/*
 * Devices. One statement per function, but for the end of several (store_device_delete_but).
 */
#include "storage/device.h"

enum err store_device_upsert(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct device_row *row)
{
	struct db_rows *rows;
	return tx_query(ctx, tx, STMT_DEVICE_UPSERT,
		DB_ARGS(db_text(user_id), db_text(row->device_id), db_text(row->display_name),
			db_bigint(row->last_seen_ms), db_text(row->last_seen_ip),
			db_text(row->last_seen_user_agent)),
		&rows);
}

enum err store_device_lock(struct ctx *ctx, struct tx *tx, struct str user_id, struct str device_id)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_DEVICE_LOCK, DB_ARGS(db_text(user_id), db_text(device_id)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

static struct device_row read_device(const struct db_rows *rows, size_t i)
{
	return (struct device_row){
		.device_id = db_str(rows, i, 0),
		.display_name = db_str(rows, i, 1),
		.last_seen_ms = db_int(rows, i, 2),
		.last_seen_ip = db_str(rows, i, 3),
		.last_seen_user_agent = db_str(rows, i, 4),
		.created_at_ms = db_int(rows, i, 5),
	};
}

enum err store_device_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct device_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_LIST, DB_ARGS(db_text(user_id)), &rows));
	size_t n = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct device_row, n + 1);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = read_device(rows, i);
	}
	*out_count = n;
	return ERR_OK;
}

enum err store_device_find(struct ctx *ctx, struct db *db, struct str user_id, struct str device_id,
	struct device_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_FIND, DB_ARGS(db_text(user_id), db_text(device_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = read_device(rows, 0);
	return ERR_OK;
}

enum err store_device_rename(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct str display_name)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_DEVICE_RENAME,
		DB_ARGS(db_text(user_id), db_text(device_id), db_text(display_name)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_device_delete(struct ctx *ctx, struct db *db, struct str user_id,
	const struct str *device_ids, size_t count)
{
	return db_exec(ctx, db, STMT_DEVICE_DELETE,
		DB_ARGS(db_text(user_id), db_texts(device_ids, count)), NULL);
}

enum err store_device_delete_but(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str kept)
{
	struct db_args args = DB_ARGS(db_text(user_id), db_text(kept));
	TRY(tx_query(ctx, tx, STMT_DEVICE_HOLD_BUT, args, NULL));
	return tx_query(ctx, tx, STMT_DEVICE_DELETE_BUT, args, NULL);
}

enum err store_device_seen(struct ctx *ctx, struct db *db, const struct device_seen *seen)
{
	size_t n = seen->count;
	return db_exec(ctx, db, STMT_DEVICE_SEEN,
		DB_ARGS(db_texts(seen->user_ids, n), db_texts(seen->device_ids, n),
			db_bigints(seen->at_ms, n), db_texts(seen->ips, n), db_texts(seen->user_agents, n),
			db_bigints(seen->synced_positions, n)),
		NULL);
}
