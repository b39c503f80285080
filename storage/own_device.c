/*
 * Devices of the server itself. One statement per function.
 */
#include "storage/own_device.h"

static enum err read_device(struct db_rows *rows, struct own_device_row *out)
{
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct own_device_row){
		.device_id = db_str(rows, 0, 0),
		.account = db_str(rows, 0, 1),
	};
	return ERR_OK;
}

enum err store_own_device_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct own_device_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OWN_DEVICE_FIND, DB_ARGS(db_text(user_id)), &rows));
	TRY(read_device(rows, out));
	out->cross_keys = db_str(rows, 0, 2);
	return ERR_OK;
}

enum err store_own_device_insert(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str device_id, struct str account)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OWN_DEVICE_INSERT,
		DB_ARGS(db_text(user_id), db_text(device_id), db_text(account)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_CONFLICT;
}

enum err store_own_device_lock(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct own_device_row *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OWN_DEVICE_LOCK, DB_ARGS(db_text(user_id)), &rows));
	return read_device(rows, out);
}

enum err store_own_device_set_account(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str account)
{
	return tx_query(ctx, tx, STMT_OWN_DEVICE_ACCOUNT_SET,
		DB_ARGS(db_text(user_id), db_text(account)), NULL);
}

enum err store_own_device_all(struct ctx *ctx, struct db *db, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_OWN_DEVICE_ALL, DB_NO_ARGS, out, out_count);
}

enum err store_own_cross_keys_insert(struct ctx *ctx, struct db *db, struct str user_id,
	struct str seeds)
{
	return db_exec(ctx, db, STMT_OWN_CROSS_KEYS_INSERT, DB_ARGS(db_text(user_id), db_text(seeds)),
		NULL);
}

/* --- Olm sessions ------------------------------------------------------------------------------------------- */

static void read_sessions(struct ctx *ctx, struct db_rows *rows, struct own_session_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct own_session_row, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct own_session_row){
			.peer_key = db_str(rows, i, 0),
			.session_id = db_str(rows, i, 1),
			.peer_user = db_str(rows, i, 2),
			.run = db_str(rows, i, 3),
			.state = db_str(rows, i, 4),
		};
	}
}

enum err store_own_session_list(struct ctx *ctx, struct db *db, struct str user_id,
	const struct str *peer_keys, size_t count, struct own_session_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OWN_SESSION_LIST,
		DB_ARGS(db_text(user_id), db_texts(peer_keys, count)), &rows));
	read_sessions(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_own_session_list_in(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct str *peer_keys, size_t count, struct own_session_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OWN_SESSION_LIST,
		DB_ARGS(db_text(user_id), db_texts(peer_keys, count)), &rows));
	read_sessions(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_own_session_set(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct own_session_row *rows, size_t count)
{
	struct str *texts = ARENA_NEW_ARRAY(ctx->arena, struct str, 5 * count + 1);
	int64_t *times = ARENA_NEW_ARRAY(ctx->arena, int64_t, count + 1);
	for (size_t i = 0; i < count; i++) {
		texts[i] = rows[i].peer_key;
		texts[count + i] = rows[i].session_id;
		texts[2 * count + i] = rows[i].peer_user;
		texts[3 * count + i] = rows[i].run;
		texts[4 * count + i] = rows[i].state;
		times[i] = rows[i].used_at_ms;
	}
	return tx_query(ctx, tx, STMT_OWN_SESSION_SET,
		DB_ARGS(db_text(user_id), db_texts(texts, count), db_texts(texts + count, count),
			db_texts(texts + 2 * count, count), db_texts(texts + 3 * count, count),
			db_bigints(times, count), db_texts(texts + 4 * count, count)),
		NULL);
}

enum err store_own_session_trim(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct own_session_row *of, size_t count, const struct own_session_limits *limits)
{
	struct str *keys = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1);
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1);
	for (size_t i = 0; i < count; i++) {
		keys[i] = of[i].peer_key;
		users[i] = of[i].peer_user;
	}
	return tx_query(ctx, tx, STMT_OWN_SESSION_TRIM,
		DB_ARGS(db_text(user_id), db_texts(keys, count), db_bigint(limits->of_device),
			db_texts(users, count), db_bigint(limits->of_user)),
		NULL);
}

enum err store_own_session_forget(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str peer_key, struct str peer_user)
{
	return tx_query(ctx, tx, STMT_OWN_SESSION_FORGET,
		DB_ARGS(db_text(user_id), db_text(peer_key), db_text(peer_user)), NULL);
}

enum err store_own_peer_renew(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str peer_key, int64_t now_ms, int64_t since_ms, bool *out_may)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OWN_PEER_RENEW,
		DB_ARGS(db_text(user_id), db_text(peer_key), db_bigint(now_ms), db_bigint(since_ms)),
		&rows));
	*out_may = db_count(rows) > 0;
	return ERR_OK;
}

enum err store_own_peer_tell(struct ctx *ctx, struct db *db, struct str user_id,
	const struct str *peer_keys, size_t count, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_OWN_PEER_TELL,
		DB_ARGS(db_text(user_id), db_texts(peer_keys, count)), out, out_count);
}

/* --- what comes ---------------------------------------------------------------------------------------------- */

enum err store_own_message_next(struct ctx *ctx, struct db *db, int64_t up_to, int64_t limit,
	struct own_message_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OWN_MESSAGE_NEXT, DB_ARGS(db_bigint(up_to), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct own_message_row, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct own_message_row){
			.user_id = db_str(rows, i, 0),
			.device_id = db_str(rows, i, 1),
			.position = db_int(rows, i, 2),
			.message = db_str(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_own_message_delete(struct ctx *ctx, struct tx *tx, const struct own_message_row *row)
{
	return tx_query(ctx, tx, STMT_OWN_MESSAGE_DELETE,
		DB_ARGS(db_text(row->user_id), db_text(row->device_id), db_bigint(row->position)), NULL);
}

enum err store_own_room_is_in(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str room_id, bool *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OWN_ROOM_IS_IN, DB_ARGS(db_text(room_id), db_text(user_id)), &rows));
	*out = db_count(rows) > 0;
	return ERR_OK;
}

static enum err read_room_key(struct db_rows *rows, struct str session_id,
	struct own_room_key_row *out)
{
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct own_room_key_row){
		.session_id = session_id,
		.room_id = db_str(rows, 0, 0),
		.sender = db_str(rows, 0, 1),
		.sender_key = db_str(rows, 0, 2),
		.sender_ed25519 = db_str(rows, 0, 3),
		.state = db_str(rows, 0, 4),
	};
	return ERR_OK;
}

enum err store_own_room_key_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct str session_id, struct own_room_key_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OWN_ROOM_KEY_FIND, DB_ARGS(db_text(user_id), db_text(session_id)),
		&rows));
	return read_room_key(rows, session_id, out);
}

enum err store_own_room_key_find_in(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str session_id, struct own_room_key_row *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OWN_ROOM_KEY_FIND, DB_ARGS(db_text(user_id), db_text(session_id)),
		&rows));
	return read_room_key(rows, session_id, out);
}

enum err store_own_room_key_set(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct own_room_key_row *row, int64_t kept)
{
	return tx_query(ctx, tx, STMT_OWN_ROOM_KEY_SET,
		DB_ARGS(db_text(user_id), db_text(row->session_id), db_text(row->room_id),
			db_text(row->sender), db_text(row->sender_key), db_text(row->sender_ed25519),
			db_bigint(row->received_at_ms), db_text(row->state), db_bigint(kept)),
		NULL);
}

enum err store_own_room_message_add(struct ctx *ctx, struct db *db, struct str user_id,
	struct str session_id, int64_t message_index, struct str event_id, struct str *out_event_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OWN_ROOM_MESSAGE_ADD,
		DB_ARGS(db_text(user_id), db_text(session_id), db_bigint(message_index), db_text(event_id)),
		&rows));
	invariant(db_count(rows) > 0);
	*out_event_id = db_str(rows, 0, 0);
	return ERR_OK;
}
