/*
 * Stays of servers in rooms, targets of events, missed rooms. One statement per function.
 */
#include "storage/outbox.h"

enum err store_outbox_look(struct ctx *ctx, struct db *db, struct str own, int64_t after,
	int64_t up_to, int64_t limit, struct outbox_span *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_LOOK,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit), db_text(own)), &rows));
	size_t last = db_count(rows) - 1;
	*out = (struct outbox_span){
		.changes = ARENA_NEW_ARRAY(ctx->arena, struct stay_change, last),
		.change_n = last,
		.newest = db_int(rows, last, 0),
		.has_events = !db_is_null(rows, last, 2),
		.is_cut = db_is_true(rows, last, 3),
		.has_receipts = db_is_true(rows, last, 4),
		.has_joins = db_is_true(rows, last, 5),
	};
	for (size_t i = 0; i < last; i++) {
		out->changes[i] = (struct stay_change){
			.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.server = db_str(rows, i, 2),
			.is_there = db_is_true(rows, i, 3),
			.was_there = db_is_true(rows, i, 4),
		};
	}
	return ERR_OK;
}

enum err store_outbox_stay(struct ctx *ctx, struct tx *tx, const struct stay_change *change)
{
	return tx_query(ctx, tx, change->is_there ? STMT_OUTBOX_STAYS_OPEN : STMT_OUTBOX_STAYS_CLOSE,
		DB_ARGS(db_bigint(change->room_nid), db_text(change->server), db_bigint(change->position)),
		NULL);
}

enum err store_outbox_stays_sync(struct ctx *ctx, struct tx *tx, int64_t room_nid, int64_t position,
	struct str own)
{
	return tx_query(ctx, tx, STMT_OUTBOX_STAYS_SYNC,
		DB_ARGS(db_bigint(room_nid), db_bigint(position), db_text(own)), NULL);
}

enum err store_outbox_targets(struct ctx *ctx, struct db *db, struct str own, int64_t after,
	int64_t up_to, struct outbox_target **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_TARGETS,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_text(own)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct outbox_target, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct outbox_target){
			.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.server = db_str(rows, i, 2),
		};
	}
	return ERR_OK;
}

enum err store_outbox_receipts(struct ctx *ctx, struct db *db, struct str own, int64_t after,
	int64_t up_to, struct outbox_receipt **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_RECEIPTS,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_text(own)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct outbox_receipt, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct outbox_receipt){
			.server = db_str(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.user_id = db_str(rows, i, 3),
			.thread_id = db_str(rows, i, 4),
			.event_id = db_str(rows, i, 5),
			.ts_ms = db_int(rows, i, 6),
		};
	}
	return ERR_OK;
}

enum err store_outbox_rooms(struct ctx *ctx, struct db *db, struct str own,
	const int64_t *room_nids, size_t count, struct outbox_room_server **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_ROOMS, DB_ARGS(db_bigints(room_nids, count), db_text(own)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct outbox_room_server, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct outbox_room_server){db_int(rows, i, 0), db_str(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_outbox_shared_rooms(struct ctx *ctx, struct db *db, struct str own, int64_t **out,
	size_t *out_count)
{
	return db_query_ints(ctx, db, STMT_OUTBOX_SHARED_ROOMS, DB_ARGS(db_text(own)), out, out_count);
}

static void read_pairs(struct ctx *ctx, const struct db_rows *rows, struct outbox_user_server **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct outbox_user_server, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct outbox_user_server){db_str(rows, i, 0), db_str(rows, i, 1)};
	}
}

enum err store_outbox_sharing(struct ctx *ctx, struct db *db, struct str own,
	const struct str *user_ids, size_t count, struct outbox_user_server **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_SHARING, DB_ARGS(db_texts(user_ids, count), db_text(own)),
		&rows));
	read_pairs(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_outbox_introduced(struct ctx *ctx, struct db *db, struct str own, int64_t after,
	int64_t up_to, struct outbox_user_server **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_INTRODUCED,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_text(own)), &rows));
	read_pairs(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_outbox_mark(struct ctx *ctx, struct db *db, struct str event_id, bool is_sent,
	int64_t now_ms)
{
	return db_exec(ctx, db, STMT_OUTBOX_MARK,
		DB_ARGS(db_text(event_id), db_bool(is_sent), db_bigint(now_ms)), NULL);
}

enum err store_outbox_marks_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_OUTBOX_MARKS_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}

enum err store_outbox_missed_add(struct ctx *ctx, struct db *db, const struct missed_row *rows,
	size_t count)
{
	struct str *servers = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	int64_t *rooms = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		servers[i] = rows[i].server;
		rooms[i] = rows[i].room_nid;
		positions[i] = rows[i].from_position;
	}
	return db_exec(ctx, db, STMT_OUTBOX_MISSED_ADD,
		DB_ARGS(db_texts(servers, count), db_bigints(rooms, count), db_bigints(positions, count)),
		NULL);
}

enum err store_outbox_missed_done(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *room_nids, const int64_t *up_to, size_t count)
{
	return db_exec(ctx, db, STMT_OUTBOX_MISSED_DONE,
		DB_ARGS(db_text(server), db_bigints(room_nids, count), db_bigints(up_to, count)), NULL);
}

enum err store_outbox_missed_all(struct ctx *ctx, struct db *db, struct missed_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_MISSED_ALL, DB_NO_ARGS, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct missed_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct missed_row){db_str(rows, i, 0), db_int(rows, i, 1), db_int(rows, i, 2)};
	}
	return ERR_OK;
}

enum err store_outbox_newest(struct ctx *ctx, struct db *db, struct str own,
	const struct missed_ask *ask, struct missed_event **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_NEWEST,
		DB_ARGS(db_text(ask->server), db_bigints(ask->room_nids, ask->count),
			db_bigints(ask->from_positions, ask->count), db_bigint(ask->newest), db_text(own)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct missed_event, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct missed_event){
			.room_nid = db_int(rows, i, 0),
			.position = db_int(rows, i, 1),
			.is_beyond = db_is_true(rows, i, 2),
		};
	}
	return ERR_OK;
}
