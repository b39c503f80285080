/*
 * Access and refresh tokens. One statement per function but for the pairs, which lie in two tables.
 *
 * Whoever changes the tokens of a device has locked its row first (store_device_upsert, store_device_lock,
 * store_refresh_lock), so that two logins or refreshes on one device come one after the other.
 */
#include "storage/token.h"

enum err store_token_find(struct ctx *ctx, struct db *db, struct str token_hash,
	const struct terms_versions *required, struct token_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_TOKEN_FIND,
		DB_ARGS(db_bytes(token_hash), db_texts(required->ids, required->count),
			db_texts(required->versions, required->count)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct token_row){
		.user_id = db_str(rows, 0, 0),
		.device_id = db_str(rows, 0, 1),
		.refresh_hash = db_str(rows, 0, 2),
		.is_confirmed = db_is_true(rows, 0, 3),
		.expires_at_ms = db_int(rows, 0, 4),
		.state = account_state_parse(db_str(rows, 0, 5)),
		.is_admin = db_is_true(rows, 0, 6),
		.is_guest = db_is_true(rows, 0, 7),
		.is_suspended = db_is_true(rows, 0, 8),
		.lacks_terms = db_is_true(rows, 0, 9),
		.notices_room_id = db_str(rows, 0, 10),
		.is_oauth = db_is_true(rows, 0, 11),
		.device_came_ms = db_int(rows, 0, 12),
	};
	return ERR_OK;
}

enum err store_token_insert(struct ctx *ctx, struct tx *tx, const struct token_pair *pair)
{
	struct db_rows *rows;
	if (pair->refresh_hash.p != NULL) {
		TRY(tx_query(ctx, tx, STMT_REFRESH_TOKEN_INSERT,
			DB_ARGS(db_bytes(pair->refresh_hash), db_text(pair->user_id), db_text(pair->device_id),
				db_bool(pair->is_confirmed), db_bigint(pair->refresh_expires_at_ms),
				db_bigint(pair->now_ms)),
			&rows));
	}
	return tx_query(ctx, tx, STMT_TOKEN_INSERT,
		DB_ARGS(db_bytes(pair->token_hash), db_text(pair->user_id), db_text(pair->device_id),
			db_bytes(pair->refresh_hash), db_bool(pair->is_confirmed),
			db_bigint(pair->expires_at_ms), db_bigint(pair->now_ms)),
		&rows);
}

enum err store_token_delete_device(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id)
{
	struct db_rows *rows;
	return tx_query(ctx, tx, STMT_TOKEN_DELETE_DEVICE,
		DB_ARGS(db_text(user_id), db_text(device_id)), &rows);
}

enum err store_refresh_lock(struct ctx *ctx, struct tx *tx, struct str refresh_hash,
	struct refresh_row *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_REFRESH_TOKEN_LOCK, DB_ARGS(db_bytes(refresh_hash)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct refresh_row){
		.user_id = db_str(rows, 0, 0),
		.device_id = db_str(rows, 0, 1),
		.is_confirmed = db_is_true(rows, 0, 2),
		.expires_at_ms = db_int(rows, 0, 3),
		.state = account_state_parse(db_str(rows, 0, 4)),
		.client_id = db_str(rows, 0, 5),
		.scope = db_str(rows, 0, 6),
	};
	return ERR_OK;
}

enum err store_token_confirm(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id, struct str refresh_hash)
{
	struct db_args args = DB_ARGS(db_text(user_id), db_text(device_id), db_bytes(refresh_hash));
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_TOKEN_PAIR_CONFIRM, args, &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	return tx_query(ctx, tx, STMT_TOKEN_PAIR_ONLY, args, &rows);
}

enum err store_token_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_TOKEN_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}
