/*
 * Rooms and the transaction ids of their events. One statement per function.
 */
#include "storage/room.h"

enum err store_room_nids(struct ctx *ctx, struct db *db, int64_t *out_first)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ROOM_NID_NEXT, DB_NO_ARGS, &rows));
	*out_first = db_int(rows, 0, 0);
	return ERR_OK;
}

static enum err read_room(struct db_rows *rows, struct room_row *out)
{
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct room_row){
		.room_nid = db_int(rows, 0, 0),
		.room_id = db_str(rows, 0, 1),
		.version = db_str(rows, 0, 2),
		.event_seq = db_int(rows, 0, 3),
		.depth = db_int(rows, 0, 4),
		.extremities = db_str(rows, 0, 5),
		.last_position = db_int(rows, 0, 6),
		.notify_seq = db_int(rows, 0, 7),
		.highlight_seq = db_int(rows, 0, 8),
		.receipt_position = db_int(rows, 0, 9),
		.whole_at = db_int(rows, 0, 10),
		.ground_position = db_int(rows, 0, 11),
	};
	return ERR_OK;
}

enum err store_room_find(struct ctx *ctx, struct db *db, struct str room_id, struct room_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ROOM_FIND, DB_ARGS(db_text(room_id)), &rows));
	return read_room(rows, out);
}

enum err store_room_find_nid(struct ctx *ctx, struct db *db, int64_t room_nid, struct room_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ROOM_FIND_NID, DB_ARGS(db_bigint(room_nid)), &rows));
	return read_room(rows, out);
}

void store_room_insert(struct write *write, const struct room_row *row, size_t position_index,
	int64_t created_at_ms)
{
	write_add(write, STMT_ROOM_INSERT,
		DB_ARGS(db_bigint(row->room_nid), db_text(row->room_id), db_text(row->version),
			db_bigint(row->event_seq), db_bigint(row->depth), db_text(row->extremities),
			db_position(position_index), db_bigint(row->notify_seq), db_bigint(row->highlight_seq),
			db_bigint(created_at_ms)));
}

void store_room_stand(struct write *write, int64_t room_nid, int64_t event_seq)
{
	write_add(write, STMT_ROOM_STAND, DB_ARGS(db_bigint(room_nid), db_bigint(event_seq)));
}

void store_room_publish(struct write *write, int64_t room_nid)
{
	write_add(write, STMT_ROOM_PUBLISH, DB_ARGS(db_bigint(room_nid)));
}

void store_room_succeed(struct write *write, int64_t old_nid, int64_t new_nid)
{
	write_add(write, STMT_ROOM_SUCCEED, DB_ARGS(db_bigint(old_nid), db_bigint(new_nid)));
}

void store_room_advance(struct write *write, const struct room_row *after, int64_t seq_before,
	size_t position_index)
{
	write_add(write, STMT_ROOM_ADVANCE,
		DB_ARGS(db_bigint(after->room_nid), db_bigint(seq_before), db_bigint(after->event_seq),
			db_bigint(after->depth), db_text(after->extremities), db_position(position_index),
			db_bigint(after->notify_seq), db_bigint(after->highlight_seq)));
}

enum err store_transaction_find(struct ctx *ctx, struct db *db, struct str key,
	struct str *out_event_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_TRANSACTION_FIND, DB_ARGS(db_bytes(key)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_event_id = db_str(rows, 0, 0);
	return ERR_OK;
}

void store_transaction_insert(struct write *write, struct str key, struct str event_id,
	int64_t now_ms)
{
	write_add(write, STMT_TRANSACTION_INSERT,
		DB_ARGS(db_bytes(key), db_text(event_id), db_bigint(now_ms)));
}

enum err store_transaction_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_TRANSACTION_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}

enum err store_room_set_published(struct ctx *ctx, struct db *db, int64_t room_nid,
	bool is_published)
{
	return db_exec(ctx, db, STMT_ROOM_SET_PUBLISHED,
		DB_ARGS(db_bigint(room_nid), db_bool(is_published)), NULL);
}

enum err store_room_is_published(struct ctx *ctx, struct db *db, int64_t room_nid, bool *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ROOM_IS_PUBLISHED, DB_ARGS(db_bigint(room_nid)), &rows));
	*out = db_count(rows) > 0 && db_is_true(rows, 0, 0);
	return ERR_OK;
}
