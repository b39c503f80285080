/*
 * Keys go in as hexadecimal texts, because the statements' arrays are of texts or integers.
 */
#include "storage/server_key.h"

#include <string.h>

enum err store_server_key_list(struct ctx *ctx, struct db *db, const struct str *servers,
	size_t server_count, struct server_key_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SERVER_KEY_LIST, DB_ARGS(db_texts(servers, server_count)), &rows));
	*out = ARENA_NEW_ARRAY(ctx->arena, struct server_key_row, db_count(rows));
	*out_count = 0;
	for (size_t i = 0; i < db_count(rows); i++) {
		struct str public_key = db_str(rows, i, 2);
		if (public_key.n != ED25519_PUBLIC_BYTES) {
			continue;
		}
		struct server_key_row *row = &(*out)[(*out_count)++];
		row->server = db_str(rows, i, 0);
		row->key = (struct server_key){
			.key_id = db_str(rows, i, 1),
			.valid_until_ts = db_int(rows, i, 3),
			.is_old = !db_is_null(rows, i, 4),
			.expired_ts = db_int(rows, i, 4),
		};
		memcpy(row->key.public_key, public_key.p, ED25519_PUBLIC_BYTES);
	}
	return ERR_OK;
}

static struct str hex_of(struct arena *arena, const unsigned char bytes[ED25519_PUBLIC_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	char *text = arena_alloc(arena, (size_t)2 * ED25519_PUBLIC_BYTES);
	for (size_t i = 0; i < ED25519_PUBLIC_BYTES; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0x0F];
	}
	return str_from(text, (size_t)2 * ED25519_PUBLIC_BYTES);
}

static enum err put_keys(struct ctx *ctx, struct tx *tx, const struct server_key_answer *answer,
	const struct server_key *keys, size_t count)
{
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	struct str *public_keys = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	int64_t *valid = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *expired = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		ids[i] = keys[i].key_id;
		public_keys[i] = hex_of(ctx->arena, keys[i].public_key);
		valid[i] = keys[i].valid_until_ts;
		expired[i] = keys[i].is_old ? MAX_OF(keys[i].expired_ts, (int64_t)1) : 0;
	}
	return tx_query(ctx, tx, STMT_SERVER_KEY_PUT,
		DB_ARGS(db_text(answer->server), db_texts(ids, count), db_texts(public_keys, count),
			db_bigints(valid, count), db_bigints(expired, count),
			db_bigint(answer->received_at_ms)),
		NULL);
}

enum err store_server_key_put(struct ctx *ctx, struct db *db,
	const struct server_key_answer *answer, const struct server_key *keys, size_t count)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, db, &tx));
	TRY(put_keys(ctx, tx, answer, keys, count));
	TRY(tx_query(ctx, tx, STMT_SERVER_KEY_TRIM,
		DB_ARGS(db_text(answer->server), db_bigint(SERVER_KEYS_KEPT)), NULL));
	if (answer->text.p != NULL) {
		TRY(tx_query(ctx, tx, STMT_SERVER_KEY_ANSWER_PUT,
			DB_ARGS(db_text(answer->server), db_text(answer->text),
				db_bigint(answer->valid_until_ms), db_bigint(answer->received_at_ms)),
			NULL));
	}
	return tx_commit(ctx, &tx);
}

enum err store_server_key_answers(struct ctx *ctx, struct db *db, const struct str *servers,
	size_t server_count, struct server_key_answer **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SERVER_KEY_ANSWER_LIST, DB_ARGS(db_texts(servers, server_count)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct server_key_answer, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct server_key_answer){
			.server = db_str(rows, i, 0),
			.text = db_str(rows, i, 1),
			.valid_until_ms = db_int(rows, i, 2),
			.received_at_ms = db_int(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_server_key_forget(struct ctx *ctx, struct db *db, int64_t keys, int64_t answers)
{
	TRY(db_exec(ctx, db, STMT_SERVER_KEY_FORGET, DB_ARGS(db_bigint(keys)), NULL));
	return db_exec(ctx, db, STMT_SERVER_KEY_ANSWER_FORGET, DB_ARGS(db_bigint(answers)), NULL);
}
