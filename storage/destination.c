/*
 * Rows of destinations. One statement per function.
 */
#include "storage/destination.h"

enum err store_destination_trouble(struct ctx *ctx, struct db *db, struct destination_trouble **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DESTINATION_TROUBLE, DB_NO_ARGS, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct destination_trouble, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct destination_trouble){
			.server = db_str(rows, i, 0),
			.failures = db_int(rows, i, 1),
			.interval_ms = db_int(rows, i, 2),
			.retry_at_ms = db_int(rows, i, 3),
			.failing_since_ms = db_int(rows, i, 4),
			.is_open = db_is_true(rows, i, 5),
			.cause = db_str(rows, i, 6),
		};
	}
	return ERR_OK;
}

enum err store_destination_open(struct ctx *ctx, struct db *db, struct str server,
	struct transaction_parts *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DESTINATION_OPEN, DB_ARGS(db_text(server)), &rows));
	size_t count = db_count(rows);
	*out = (struct transaction_parts){
		.room_nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, count),
		.positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count),
		.edu_ids = ARENA_NEW_ARRAY(ctx->arena, int64_t, count),
	};
	for (size_t i = 0; i < count; i++) {
		int64_t room_nid = db_int(rows, i, 0);
		if (room_nid == 0) {
			out->edu_ids[out->edu_n++] = db_int(rows, i, 1);
		} else {
			out->room_nids[out->event_n] = room_nid;
			out->positions[out->event_n++] = db_int(rows, i, 1);
		}
	}
	return ERR_OK;
}

enum err store_destination_failed(struct ctx *ctx, struct db *db,
	const struct destination_failure *failure)
{
	const struct transaction_parts *open = &failure->open;
	return db_exec(ctx, db, STMT_DESTINATION_FAILED,
		DB_ARGS(db_text(failure->server), db_bigint(failure->interval_ms),
			db_bigint(failure->retry_at_ms), db_bigint(failure->now_ms), db_text(failure->cause),
			db_bigints(open->room_nids, open->event_n), db_bigints(open->positions, open->event_n),
			db_bigints(open->edu_ids, open->edu_n)),
		NULL);
}

enum err store_destination_reached(struct ctx *ctx, struct db *db, struct str server,
	int64_t now_ms)
{
	return db_exec(ctx, db, STMT_DESTINATION_REACHED, DB_ARGS(db_text(server), db_bigint(now_ms)),
		NULL);
}

enum err store_destination_retry(struct ctx *ctx, struct db *db, struct str server,
	int64_t *out_count)
{
	return db_exec(ctx, db, STMT_DESTINATION_RETRY, DB_ARGS(db_text(server)), out_count);
}

enum err store_destination_list(struct ctx *ctx, struct db *db, struct str from, int64_t limit,
	struct destination_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DESTINATION_LIST, DB_ARGS(db_text(from), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct destination_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct destination_row){
			.server = db_str(rows, i, 0),
			.failures = db_int(rows, i, 1),
			.retry_at_ms = db_int(rows, i, 2),
			.failing_since_ms = db_int(rows, i, 3),
			.reached_at_ms = db_int(rows, i, 4),
			.cause = db_str(rows, i, 5),
			.edu_n = db_int(rows, i, 6),
			.missed_room_n = db_int(rows, i, 7),
			.open_event_n = db_int(rows, i, 8),
		};
	}
	return ERR_OK;
}
