/*
 * Messages to devices. One statement per function.
 */
#include "storage/to_device.h"

void store_to_device_add(struct write *write, struct str user_id, struct str device_id,
	struct str message)
{
	write_add(write, STMT_DEVICE_MESSAGE_INSERT,
		DB_ARGS(db_text(user_id), db_text(device_id), db_position(0), db_text(message)));
}

void store_to_device_trim(struct write *write, struct str user_id, struct str device_id,
	int64_t kept)
{
	write_add(write, STMT_DEVICE_MESSAGE_TRIM,
		DB_ARGS(db_text(user_id), db_text(device_id), db_bigint(kept)));
}

enum err store_to_device_next(struct ctx *ctx, struct db *db, const struct to_device_span *span,
	struct to_device_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_MESSAGE_NEXT,
		DB_ARGS(db_text(span->user_id), db_text(span->device_id), db_bigint(span->arrived),
			db_bigint(span->up_to), db_bigint(span->limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct to_device_row, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct to_device_row){db_int(rows, i, 0), db_str(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_to_device_all(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct str **out_user_ids, struct str **out_device_ids, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_MESSAGE_ALL, DB_ARGS(db_texts(user_ids, count)), &rows));
	*out_count = db_count(rows);
	*out_user_ids = ARENA_NEW_ARRAY(ctx->arena, struct str, *out_count + 1);
	*out_device_ids = ARENA_NEW_ARRAY(ctx->arena, struct str, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out_user_ids)[i] = db_str(rows, i, 0);
		(*out_device_ids)[i] = db_str(rows, i, 1);
	}
	return ERR_OK;
}
