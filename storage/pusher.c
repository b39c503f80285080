/*
 * Pushers and their queue.
 */
#include "storage/pusher.h"

enum err store_pusher_set(struct ctx *ctx, struct db *db, const struct pusher_row *row,
	int64_t limit)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_PUSHER_SET,
		DB_ARGS(db_text(row->user_id), db_text(row->app_id), db_text(row->pushkey),
			db_text(row->kind), db_text(row->app_display_name), db_text(row->device_display_name),
			db_text(row->profile_tag), db_text(row->lang), db_text(row->data),
			db_text(row->device_id), db_bigint(row->set_at_ms), db_bigint(limit),
			db_text(row->unsubscribe_token)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_LIMIT;
}

enum err store_pusher_delete_others(struct ctx *ctx, struct db *db, struct str app_id,
	struct str pushkey, struct str user_id)
{
	return db_exec(ctx, db, STMT_PUSHER_DELETE_OTHERS,
		DB_ARGS(db_text(app_id), db_text(pushkey), db_text(user_id)), NULL);
}

enum err store_pusher_delete(struct ctx *ctx, struct db *db, struct str app_id, struct str pushkey,
	struct str user_id)
{
	return db_exec(ctx, db, STMT_PUSHER_DELETE,
		DB_ARGS(db_text(app_id), db_text(pushkey), db_text(user_id)), NULL);
}

enum err store_pusher_reject(struct ctx *ctx, struct db *db, struct str app_id, struct str pushkey)
{
	return db_exec(ctx, db, STMT_PUSHER_REJECT, DB_ARGS(db_text(app_id), db_text(pushkey)), NULL);
}

enum err store_pusher_unsubscribe_peek(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	struct str token, struct str *out_address)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PUSHER_UNSUBSCRIBE_PEEK,
		DB_ARGS(db_bigint(pusher_nid), db_text(token)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_address = db_str(rows, 0, 0);
	return ERR_OK;
}

enum err store_pusher_unsubscribe(struct ctx *ctx, struct db *db, int64_t pusher_nid,
	struct str token)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_PUSHER_UNSUBSCRIBE, DB_ARGS(db_bigint(pusher_nid), db_text(token)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_pusher_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct pusher_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PUSHER_LIST, DB_ARGS(db_text(user_id)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct pusher_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct pusher_row){
			.pusher_nid = db_int(rows, i, 0),
			.app_id = db_str(rows, i, 1),
			.pushkey = db_str(rows, i, 2),
			.kind = db_str(rows, i, 3),
			.app_display_name = db_str(rows, i, 4),
			.device_display_name = db_str(rows, i, 5),
			.profile_tag = db_str(rows, i, 6),
			.lang = db_str(rows, i, 7),
			.data = db_str(rows, i, 8),
		};
	}
	return ERR_OK;
}

/* --- what waits ---------------------------------------------------------------------------------- */

enum err store_push_candidates(struct ctx *ctx, struct db *db, int64_t after, int64_t up_to,
	int64_t limit, struct push_span *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PUSH_CANDIDATES,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit)), &rows));
	size_t last = db_count(rows) - 1;
	out->candidates = ARENA_NEW_ARRAY(ctx->arena, struct push_candidate, last);
	for (size_t i = 0; i < last; i++) {
		out->candidates[i] = (struct push_candidate){
			.room_nid = db_int(rows, i, 0),
			.position = db_int(rows, i, 1),
			.user_id = db_str(rows, i, 2),
			.event_position = db_int(rows, i, 3),
		};
	}
	out->count = last;
	out->has_readers = db_int(rows, last, 0) != 0;
	out->reached = db_is_null(rows, last, 2) ? db_int(rows, last, 1) : up_to;
	return ERR_OK;
}

enum err store_push_enqueue(struct ctx *ctx, struct tx *tx, const struct push_batch *batch)
{
	size_t n = batch->count;
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	struct str *tweaks = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	int64_t *rooms = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	for (size_t i = 0; i < n; i++) {
		users[i] = batch->news[i].who.user_id;
		positions[i] = batch->news[i].who.position;
		rooms[i] = batch->news[i].who.room_nid;
		tweaks[i] = batch->news[i].tweaks;
	}
	return tx_query(ctx, tx, STMT_PUSH_ENQUEUE,
		DB_ARGS(db_texts(users, n), db_bigints(positions, n), db_bigints(rooms, n),
			db_texts(tweaks, n), db_bigint(batch->after), db_bigint(batch->up_to),
			db_bigint(batch->now_ms), db_bigint(batch->mail_delay_ms)),
		NULL);
}

enum err store_push_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	const struct push_busy *busy, int64_t limit, struct push_due **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PUSH_DUE,
		DB_ARGS(db_bigint(now_ms), db_bigints(busy->pusher_nids, busy->pusher_count),
			db_bigint(limit), db_texts(busy->user_ids, busy->user_count)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct push_due, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct push_due){
			.pusher_nid = db_int(rows, i, 0),
			.user_id = db_str(rows, i, 1),
			.app_id = db_str(rows, i, 2),
			.pushkey = db_str(rows, i, 3),
			.is_mail = str_equals(db_str(rows, i, 4), STR("email")),
			.data = db_str(rows, i, 5),
			.set_at_ms = db_int(rows, i, 6),
			.badge = db_int(rows, i, 7),
			.failures = db_int(rows, i, 8),
			.failing_since_ms = db_int(rows, i, 9),
			.position = db_int(rows, i, 10),
			.room_nid = db_int(rows, i, 11),
			.tweaks = db_str(rows, i, 12),
			.is_read = db_is_true(rows, i, 13),
			.unsubscribe_token = db_str(rows, i, 14),
			.mailed_at_ms = db_int(rows, i, 15),
			.mail_pause_ms = db_int(rows, i, 16),
		};
	}
	return ERR_OK;
}

enum err store_push_next(struct ctx *ctx, struct db *db, const struct push_busy *busy,
	int64_t *out_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PUSH_NEXT,
		DB_ARGS(db_bigints(busy->pusher_nids, busy->pusher_count),
			db_texts(busy->user_ids, busy->user_count)),
		&rows));
	*out_ms = db_is_null(rows, 0, 0) ? INT64_MAX : db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_push_waiting(struct ctx *ctx, struct db *db, int64_t pusher_nid, int64_t limit,
	struct push_waiting **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PUSH_WAITING, DB_ARGS(db_bigint(pusher_nid), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct push_waiting, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct push_waiting){
			.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.queued_at_ms = db_int(rows, i, 2),
			.is_read = db_is_true(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_push_mailed(struct ctx *ctx, struct db *db, int64_t pusher_nid, int64_t position,
	int64_t now_ms, int64_t pause_ms)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, db, &tx));
	TRY(tx_query(ctx, tx, STMT_PUSH_LOCK, DB_ARGS(db_bigint(pusher_nid)), NULL));
	TRY(tx_query(ctx, tx, STMT_PUSH_MAILED,
		DB_ARGS(db_bigint(pusher_nid), db_bigint(position), db_bigint(now_ms), db_bigint(pause_ms)),
		NULL));
	return tx_commit(ctx, &tx);
}

enum err store_push_postpone(struct ctx *ctx, struct db *db, int64_t pusher_nid, int64_t now_ms,
	int64_t pause_ms)
{
	return db_exec(ctx, db, STMT_PUSH_POSTPONE,
		DB_ARGS(db_bigint(pusher_nid), db_bigint(now_ms), db_bigint(pause_ms)), NULL);
}

enum err store_push_set_back(struct ctx *ctx, struct db *db, int64_t now_ms)
{
	return db_exec(ctx, db, STMT_PUSH_SET_BACK, DB_ARGS(db_bigint(now_ms)), NULL);
}

enum err store_push_done(struct ctx *ctx, struct db *db, const struct push_done *done)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, db, &tx));
	TRY(tx_query(ctx, tx, STMT_PUSH_LOCK, DB_ARGS(db_bigint(done->pusher_nid)), NULL));
	TRY(tx_query(ctx, tx, STMT_PUSH_DONE,
		DB_ARGS(db_bigint(done->pusher_nid), db_bigint(done->position), db_bigint(done->badge),
			db_bigint(done->now_ms)),
		NULL));
	return tx_commit(ctx, &tx);
}

enum err store_push_failed(struct ctx *ctx, struct db *db, int64_t pusher_nid, int64_t now_ms,
	int64_t pause_ms)
{
	return db_exec(ctx, db, STMT_PUSH_FAILED,
		DB_ARGS(db_bigint(pusher_nid), db_bigint(now_ms), db_bigint(pause_ms)), NULL);
}

enum err store_push_give_up(struct ctx *ctx, struct db *db, int64_t pusher_nid, int64_t keep)
{
	return db_exec(ctx, db, STMT_PUSH_GIVE_UP, DB_ARGS(db_bigint(pusher_nid), db_bigint(keep)),
		NULL);
}

enum err store_notification_scan(struct ctx *ctx, struct db *db, struct str user_id, int64_t before,
	int64_t limit, struct notification_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTIFICATION_SCAN,
		DB_ARGS(db_text(user_id), db_bigint(before), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notification_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notification_row){
			.room_nid = db_int(rows, i, 0),
			.position = db_int(rows, i, 1),
			.is_read = db_is_true(rows, i, 2),
		};
	}
	return ERR_OK;
}
