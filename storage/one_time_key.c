/*
 * One-time and fallback keys. One statement per function, each a transaction of its own.
 */
#include "storage/one_time_key.h"

enum err store_one_time_key_add(struct ctx *ctx, struct db *db, const struct key_upload *upload,
	int64_t claimed_kept)
{
	return db_exec(ctx, db, STMT_ONE_TIME_KEY_ADD,
		DB_ARGS(db_text(upload->user_id), db_text(upload->device_id),
			db_texts(upload->algorithms, upload->count), db_texts(upload->key_ids, upload->count),
			db_texts(upload->keys, upload->count), db_bigint(claimed_kept)),
		NULL);
}

enum err store_fallback_key_set(struct ctx *ctx, struct db *db, const struct key_upload *upload)
{
	return db_exec(ctx, db, STMT_FALLBACK_KEY_SET,
		DB_ARGS(db_text(upload->user_id), db_text(upload->device_id),
			db_texts(upload->algorithms, upload->count), db_texts(upload->key_ids, upload->count),
			db_texts(upload->keys, upload->count)),
		NULL);
}

enum { STATE_ONE_TIME, STATE_FALLBACK, STATE_MESSAGE };

enum err store_one_time_key_state(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct device_key_state *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_STATE, DB_ARGS(db_text(user_id), db_text(device_id)),
		&rows));
	size_t n = db_count(rows);
	*out = (struct device_key_state){
		.one_time = ARENA_NEW_ARRAY(ctx->arena, struct algorithm_count, n),
		.unused_fallback = ARENA_NEW_ARRAY(ctx->arena, struct str, n),
	};
	for (size_t i = 0; i < n; i++) {
		switch (db_int(rows, i, 0)) {
		case STATE_ONE_TIME:
			out->one_time[out->one_time_n++] =
				(struct algorithm_count){db_str(rows, i, 1), db_int(rows, i, 2)};
			break;
		case STATE_FALLBACK:
			out->unused_fallback[out->unused_fallback_n++] = db_str(rows, i, 1);
			break;
		default:
			out->newest_message = db_int(rows, i, 2);
			break;
		}
	}
	return ERR_OK;
}

enum err store_one_time_key_claim(struct ctx *ctx, struct db *db, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_CLAIM,
		DB_ARGS(db_texts(claim->user_ids, claim->count), db_texts(claim->device_ids, claim->count),
			db_texts(claim->algorithms, claim->count)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct claimed_key, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct claimed_key){
			.index = (size_t)db_int(rows, i, 0) - 1,
			.key_id = db_str(rows, i, 1),
			.key = db_str(rows, i, 2),
		};
	}
	return ERR_OK;
}
