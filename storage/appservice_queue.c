/*
 * Queues of application services and their transactions. One statement per function.
 */
#include "storage/appservice_queue.h"

/* --- the stream ------------------------------------------------------------------------------------------ */

enum err store_appservice_look(struct ctx *ctx, struct db *db, int64_t after, int64_t up_to,
	int64_t limit, struct appservice_event **out, size_t *out_count, int64_t *out_reached)
{
	struct db_rows *rows;
	int64_t last = 0;
	int64_t taken = 0;
	TRY(db_query(ctx, db, STMT_APPSERVICE_LOOK,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit)), &rows));
	*out_count = 0;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_event, db_count(rows));
	for (size_t i = 0; i < db_count(rows) && taken < limit; i++) {
		struct appservice_event *event = &(*out)[(*out_count)++];
		*event = (struct appservice_event){
			.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.sender = db_str(rows, i, 3),
			.target = db_str(rows, i, 4),
			.is_joined = db_is_true(rows, i, 5),
			.was_joined = db_is_true(rows, i, 6),
			.is_resolved = db_is_true(rows, i, 7),
			.event_position = db_int(rows, i, 8),
		};
		last = event->position;
		taken += event->sender.n > 0 ? 1 : 0;
	}
	*out_reached = taken == limit ? last : up_to;
	return ERR_OK;
}

static void copy_members(struct ctx *ctx, const struct db_rows *rows,
	struct appservice_member **out, size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_member, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_member){db_int(rows, i, 0), db_str(rows, i, 1)};
	}
}

enum err store_appservice_members(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *room_nids, size_t count, int64_t position, struct appservice_member **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_MEMBERS,
		DB_ARGS(db_bigints(room_nids, count), db_bigint(position), db_text(server)), &rows));
	copy_members(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_appservice_aliases(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, struct appservice_member **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_ALIASES, DB_ARGS(db_bigints(room_nids, count)), &rows));
	copy_members(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_appservice_look_receipts(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct appservice_other **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_LOOK_RECEIPTS,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_other, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_other){
			.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.user_id = db_str(rows, i, 3),
			.is_private = db_is_true(rows, i, 4),
		};
	}
	return ERR_OK;
}

enum err store_appservice_look_devices(struct ctx *ctx, struct db *db, int64_t after, int64_t up_to,
	int64_t limit, struct appservice_other **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_LOOK_DEVICES,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_other, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_other){
			.position = db_int(rows, i, 0),
			.user_id = db_str(rows, i, 1),
			.is_change = db_is_true(rows, i, 2),
		};
	}
	return ERR_OK;
}

enum err store_appservice_look_whole(struct ctx *ctx, struct db *db, int64_t after, int64_t up_to,
	struct appservice_other **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_LOOK_WHOLE, DB_ARGS(db_bigint(after), db_bigint(up_to)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_other, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_other){.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1)};
	}
	return ERR_OK;
}

/* --- the queue ------------------------------------------------------------------------------------------- */

enum err store_appservice_enqueue(struct ctx *ctx, struct tx *tx,
	const struct appservice_news *news, size_t count)
{
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *kinds = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *rooms = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *places = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		ids[i] = news[i].appservice_id;
		positions[i] = news[i].position;
		kinds[i] = (int64_t)news[i].kind;
		rooms[i] = news[i].room_nid;
		places[i] = news[i].event_position;
	}
	return tx_query(ctx, tx, STMT_APPSERVICE_ENQUEUE,
		DB_ARGS(db_texts(ids, count), db_bigints(positions, count), db_bigints(kinds, count),
			db_bigints(rooms, count), db_bigints(places, count)),
		NULL);
}

enum err store_appservice_queue_next(struct ctx *ctx, struct db *db, struct str id, int64_t limit,
	struct appservice_news **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_QUEUE_NEXT, DB_ARGS(db_text(id), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_news, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_news){
			.position = db_int(rows, i, 0),
			.kind = (enum appservice_news_kind)db_int(rows, i, 1),
			.room_nid = db_int(rows, i, 2),
			.event_position = db_int(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_appservice_receipts(struct ctx *ctx, struct db *db, const int64_t *positions,
	size_t count, struct appservice_receipt **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_RECEIPTS, DB_ARGS(db_bigints(positions, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_receipt, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_receipt){
			.room_id = db_str(rows, i, 0),
			.user_id = db_str(rows, i, 1),
			.type = db_str(rows, i, 2),
			.thread_id = db_str(rows, i, 3),
			.event_id = db_str(rows, i, 4),
			.ts_ms = db_int(rows, i, 5),
		};
	}
	return ERR_OK;
}

enum err store_appservice_messages(struct ctx *ctx, struct db *db, const int64_t *positions,
	size_t count, struct appservice_message **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_MESSAGES, DB_ARGS(db_bigints(positions, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_message, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_message){db_str(rows, i, 0), db_str(rows, i, 1),
			db_int(rows, i, 2), db_str(rows, i, 3)};
	}
	return ERR_OK;
}

enum err store_appservice_key_changes(struct ctx *ctx, struct db *db, const int64_t *positions,
	size_t count, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_APPSERVICE_KEY_CHANGES,
		DB_ARGS(db_bigints(positions, count)), out, out_count);
}

enum err store_appservice_crossings(struct ctx *ctx, struct db *db,
	const struct appservice_news *news, size_t count, struct appservice_crossings *out)
{
	int64_t *rooms = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *kinds = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	struct db_rows *rows;
	for (size_t i = 0; i < count; i++) {
		rooms[i] = news[i].room_nid;
		positions[i] = news[i].position;
		kinds[i] = (int64_t)news[i].kind;
	}
	TRY(db_query(ctx, db, STMT_APPSERVICE_CROSSINGS,
		DB_ARGS(db_bigints(rooms, count), db_bigints(positions, count), db_bigints(kinds, count)),
		&rows));
	size_t n = db_count(rows);
	*out = (struct appservice_crossings){
		.came = ARENA_NEW_ARRAY(ctx->arena, struct str, n),
		.gone = ARENA_NEW_ARRAY(ctx->arena, struct str, n),
	};
	for (size_t i = 0; i < n; i++) {
		if (db_is_true(rows, i, 0)) {
			out->gone[out->gone_n++] = db_str(rows, i, 1);
		} else {
			out->came[out->came_n++] = db_str(rows, i, 1);
		}
	}
	return ERR_OK;
}

enum err store_appservice_stripped(struct ctx *ctx, struct db *db, const int64_t *positions,
	size_t count, struct appservice_stripped **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_STRIPPED, DB_ARGS(db_bigints(positions, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_stripped, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_stripped){db_int(rows, i, 0), db_str(rows, i, 1),
			db_str(rows, i, 2)};
	}
	return ERR_OK;
}

/* --- transactions ------------------------------------------------------------------------------------------ */

enum err store_appservice_deliveries(struct ctx *ctx, struct db *db,
	struct appservice_delivery **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_DELIVERIES, DB_NO_ARGS, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_delivery, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_delivery){
			.id = db_str(rows, i, 0),
			.since_position = db_int(rows, i, 1),
			.txn_id = db_str(rows, i, 2),
			.is_open = db_is_true(rows, i, 3),
			.failures = db_int(rows, i, 4),
			.interval_ms = db_int(rows, i, 5),
			.retry_at_ms = db_int(rows, i, 6),
			.has_queue = db_is_true(rows, i, 7),
		};
	}
	return ERR_OK;
}

enum err store_appservice_key_news(struct ctx *ctx, struct db *db, struct str id, int64_t limit,
	struct appservice_key_news **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_KEY_NEWS, DB_ARGS(db_text(id), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_key_news, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_key_news){db_str(rows, i, 0), db_str(rows, i, 1),
			db_int(rows, i, 2)};
	}
	return ERR_OK;
}

enum err store_appservice_key_news_takers(struct ctx *ctx, struct db *db, struct str **out,
	size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_APPSERVICE_KEY_NEWS_TAKERS, DB_NO_ARGS, out, out_count);
}

enum err store_appservice_transaction_make(struct ctx *ctx, struct db *db,
	const struct appservice_transaction *transaction)
{
	size_t n = transaction->message_n;
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	struct str *devices = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	for (size_t i = 0; i < n; i++) {
		users[i] = transaction->messages[i].user_id;
		devices[i] = transaction->messages[i].device_id;
		positions[i] = transaction->messages[i].position;
	}
	size_t key_n = transaction->key_news_n;
	struct str *key_users = ARENA_NEW_ARRAY(ctx->arena, struct str, key_n);
	struct str *key_devices = ARENA_NEW_ARRAY(ctx->arena, struct str, key_n);
	int64_t *claims = ARENA_NEW_ARRAY(ctx->arena, int64_t, key_n);
	for (size_t i = 0; i < key_n; i++) {
		key_users[i] = transaction->key_news[i].user_id;
		key_devices[i] = transaction->key_news[i].device_id;
		claims[i] = transaction->key_news[i].claims;
	}
	return db_exec(ctx, db, STMT_APPSERVICE_TRANSACTION_MAKE,
		DB_ARGS(db_text(transaction->appservice_id), db_text(transaction->before),
			db_text(transaction->txn_id), db_text(transaction->body), db_bigint(transaction->up_to),
			db_bigint(transaction->taken_at_ms), db_texts(users, n), db_texts(devices, n),
			db_bigints(positions, n), db_texts(key_users, key_n), db_texts(key_devices, key_n),
			db_bigints(claims, key_n)),
		NULL);
}

enum err store_appservice_transaction_open(struct ctx *ctx, struct db *db, struct str id,
	struct str *out_txn_id, struct str *out_body)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_TRANSACTION_OPEN, DB_ARGS(db_text(id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_txn_id = db_str(rows, 0, 0);
	*out_body = db_str(rows, 0, 1);
	return ERR_OK;
}

enum err store_appservice_transaction_taken(struct ctx *ctx, struct db *db, struct str id,
	struct str txn_id, int64_t now_ms)
{
	return db_exec(ctx, db, STMT_APPSERVICE_TRANSACTION_TAKEN,
		DB_ARGS(db_text(id), db_text(txn_id), db_bigint(now_ms)), NULL);
}

enum err store_appservice_transaction_failed(struct ctx *ctx, struct db *db,
	const struct appservice_failure *failure)
{
	return db_exec(ctx, db, STMT_APPSERVICE_TRANSACTION_FAILED,
		DB_ARGS(db_text(failure->id), db_bigint(failure->interval_ms),
			db_bigint(failure->retry_at_ms), db_bigint(failure->now_ms), db_text(failure->cause)),
		NULL);
}

enum err store_appservice_retry(struct ctx *ctx, struct db *db, struct str id)
{
	return db_exec(ctx, db, STMT_APPSERVICE_RETRY, DB_ARGS(db_text(id)), NULL);
}

enum err store_appservice_delivery_list(struct ctx *ctx, struct db *db,
	struct appservice_delivery_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_APPSERVICE_DELIVERY_LIST, DB_NO_ARGS, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct appservice_delivery_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct appservice_delivery_row){
			.id = db_str(rows, i, 0),
			.waiting = db_int(rows, i, 1),
			.is_open = db_is_true(rows, i, 2),
			.failures = db_int(rows, i, 3),
			.retry_at_ms = db_int(rows, i, 4),
			.failing_since_ms = db_int(rows, i, 5),
			.reached_at_ms = db_int(rows, i, 6),
			.cause = db_str(rows, i, 7),
		};
	}
	return ERR_OK;
}
