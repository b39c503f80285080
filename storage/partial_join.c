/*
 * Rooms without their members. One statement per function.
 */
#include "storage/partial_join.h"

void store_partial_join_insert(struct write *write, int64_t room_nid,
	const struct partial_join_row *row)
{
	write_add(write, STMT_PARTIAL_JOIN_INSERT,
		DB_ARGS(db_bigint(room_nid), db_text(row->join_event_id), db_text(row->servers),
			db_bigint(row->retry_at_ms)));
}

void store_partial_join_end(struct write *write, int64_t room_nid, size_t position_index)
{
	write_add(write, STMT_PARTIAL_JOIN_END,
		DB_ARGS(db_bigint(room_nid), db_position(position_index)));
}

enum err store_partial_joins_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	const struct partial_join_pauses *pauses, int64_t limit, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_PARTIAL_JOIN_DUE,
		DB_ARGS(db_bigint(now_ms), db_bigint(limit), db_bigint(pauses->first_ms),
			db_bigint(pauses->longest_ms)),
		out, out_count);
}

enum err store_partial_join_find(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct partial_join_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PARTIAL_JOIN_FIND, DB_ARGS(db_bigint(room_nid)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct partial_join_row){
		.join_event_id = db_str(rows, 0, 0),
		.servers = db_str(rows, 0, 1),
		.attempts = db_int(rows, 0, 2),
		.retry_at_ms = db_int(rows, 0, 3),
	};
	return ERR_OK;
}

enum err store_partial_join_defer(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t attempts, int64_t retry_at_ms)
{
	return db_exec(ctx, db, STMT_PARTIAL_JOIN_DEFER,
		DB_ARGS(db_bigint(room_nid), db_bigint(retry_at_ms), db_bigint(attempts)), NULL);
}

enum err store_partial_join_stored(struct ctx *ctx, struct db *db, int64_t room_nid)
{
	return db_exec(ctx, db, STMT_PARTIAL_JOIN_STORED, DB_ARGS(db_bigint(room_nid)), NULL);
}
