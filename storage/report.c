/*
 * Reports. One statement per function.
 */
#include "storage/report.h"

enum err store_report_insert(struct ctx *ctx, struct db *db, const struct report_row *row)
{
	return db_exec(ctx, db, STMT_REPORT_INSERT,
		DB_ARGS(db_bigint(row->created_at_ms), db_text(row->reporter), db_text(row->room_id),
			db_text(row->event_id), db_text(row->user_id), db_text(row->reason),
			db_text(row->event_json)),
		NULL);
}

static struct report_row read_row(const struct db_rows *rows, size_t i)
{
	return (struct report_row){
		.report_id = db_int(rows, i, 0),
		.created_at_ms = db_int(rows, i, 1),
		.reporter = db_str(rows, i, 2),
		.room_id = db_str(rows, i, 3),
		.event_id = db_str(rows, i, 4),
		.user_id = db_str(rows, i, 5),
		.reason = db_str(rows, i, 6),
		.event_json = db_str(rows, i, 7),
	};
}

enum err store_report_list(struct ctx *ctx, struct db *db, int64_t limit, struct report_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_REPORT_LIST, DB_ARGS(db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct report_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = read_row(rows, i);
	}
	return ERR_OK;
}

enum err store_report_find(struct ctx *ctx, struct db *db, int64_t report_id,
	struct report_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_REPORT_FIND, DB_ARGS(db_bigint(report_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = read_row(rows, 0);
	return ERR_OK;
}

enum err store_report_delete(struct ctx *ctx, struct db *db, int64_t report_id)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_REPORT_DELETE, DB_ARGS(db_bigint(report_id)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}
