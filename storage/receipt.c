/*
 * Receipts. In the table the thread of an unthreaded receipt is the empty text, since it is part of the key.
 */
#include "storage/receipt.h"

enum err store_receipts_of_room(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct receipt_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_RECEIPTS_OF_ROOM, DB_ARGS(db_bigint(room_nid)), &rows));
	size_t count = db_count(rows);
	struct receipt_row *list = ARENA_NEW_ARRAY(ctx->arena, struct receipt_row, count);
	for (size_t i = 0; i < count; i++) {
		struct str thread = db_str(rows, i, 2);
		list[i] = (struct receipt_row){
			.user_id = db_str(rows, i, 0),
			.receipt_type = db_str(rows, i, 1),
			.thread_id = thread.n > 0 ? thread : str_from(NULL, 0),
			.event_id = db_str(rows, i, 3),
			.event_position = db_int(rows, i, 4),
			.ts_ms = db_int(rows, i, 5),
			.position = db_int(rows, i, 6),
		};
	}
	*out = list;
	*out_count = count;
	return ERR_OK;
}

void store_receipt_set(struct write *write, int64_t room_nid, const struct receipt_row *row,
	size_t position_index)
{
	write_add(write, STMT_RECEIPT_SET,
		DB_ARGS(db_bigint(room_nid), db_text(row->user_id), db_text(row->receipt_type),
			db_text(row->thread_id.p != NULL ? row->thread_id : STR("")), db_text(row->event_id),
			db_bigint(row->event_position), db_bigint(row->ts_ms), db_position(position_index)));
}
