/*
 * One-time and fallback keys. One statement per function, each a transaction of its own; two where a claim finds no one-time key.
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

/* What a statement of claims found. @param places  where its triples stand in the whole claim; NULL: as they are */
static void add_claimed(const struct db_rows *rows, const size_t *places, struct claimed_key *out,
	size_t *out_count)
{
	for (size_t i = 0; i < db_count(rows); i++) {
		size_t index = (size_t)db_int(rows, i, 0) - 1;
		out[(*out_count)++] = (struct claimed_key){
			.index = places != NULL ? places[index] : index,
			.key_id = db_str(rows, i, 1),
			.key = db_str(rows, i, 2),
		};
	}
}

static struct db_args claim_args(const struct key_claim *claim, struct db_value values[3])
{
	values[0] = db_texts(claim->user_ids, claim->count);
	values[1] = db_texts(claim->device_ids, claim->count);
	values[2] = db_texts(claim->algorithms, claim->count);
	return (struct db_args){values, 3};
}

/* The fallback keys of the triples for which nothing was found. */
static enum err claim_fallback(struct ctx *ctx, struct db *db, const struct key_claim *claim,
	struct claimed_key *out, size_t *out_count)
{
	struct arena *arena = ctx->arena;
	bool *is_found = ARENA_NEW_ARRAY(arena, bool, claim->count);
	size_t *places = ARENA_NEW_ARRAY(arena, size_t, claim->count);
	struct str *user_ids = ARENA_NEW_ARRAY(arena, struct str, claim->count);
	struct str *device_ids = ARENA_NEW_ARRAY(arena, struct str, claim->count);
	struct str *algorithms = ARENA_NEW_ARRAY(arena, struct str, claim->count);
	size_t n = 0;
	for (size_t i = 0; i < *out_count; i++) {
		is_found[out[i].index] = true;
	}
	for (size_t i = 0; i < claim->count; i++) {
		if (!is_found[i]) {
			places[n] = i;
			user_ids[n] = claim->user_ids[i];
			device_ids[n] = claim->device_ids[i];
			algorithms[n++] = claim->algorithms[i];
		}
	}
	const struct key_claim left = {user_ids, device_ids, algorithms, n};
	struct db_value values[3];
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_FALLBACK_KEY_CLAIM, claim_args(&left, values), &rows));
	add_claimed(rows, places, out, out_count);
	return ERR_OK;
}

enum err store_one_time_key_claim(struct ctx *ctx, struct db *db, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count)
{
	struct db_value values[3];
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_CLAIM, claim_args(claim, values), &rows));
	struct claimed_key *keys = ARENA_NEW_ARRAY(ctx->arena, struct claimed_key, claim->count + 1);
	size_t n = 0;
	add_claimed(rows, NULL, keys, &n);
	if (n < claim->count) {
		TRY(claim_fallback(ctx, db, claim, keys, &n));
	}
	*out = keys;
	*out_count = n;
	return ERR_OK;
}
