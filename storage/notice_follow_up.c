/*
 * One statement per function.
 */
#include "storage/notice_follow_up.h"

enum err store_notice_edit(struct ctx *ctx, struct db *db, int64_t notice_id, struct str texts,
	int64_t now_ms, bool is_later)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_EDIT,
		DB_ARGS(db_bigint(notice_id), db_text(texts), db_bigint(now_ms), db_bool(is_later)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_edit_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_edit_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_EDIT_LIST, DB_ARGS(db_bigint(notice_id)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_edit_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_edit_row){db_str(rows, i, 0), db_int(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_notice_follow_up_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_follow_up_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_FOLLOW_UP_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_follow_up_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_follow_up_row){
			.notice_id = db_int(rows, i, 0),
			.due_at_ms = db_int(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.kind = db_str(rows, i, 3),
			.ordinal = db_int(rows, i, 4),
			.txn_key = db_str(rows, i, 5),
			.failures = db_int(rows, i, 6),
			.event_id = db_str(rows, i, 7),
			.languages = db_str(rows, i, 8),
			.sender = db_str(rows, i, 9),
			.texts = db_str(rows, i, 10),
			.media_id = db_str(rows, i, 11),
			.sealed = db_str(rows, i, 12),
		};
	}
	return ERR_OK;
}

enum err store_notice_follow_up_seal(struct ctx *ctx, struct db *db,
	const struct notice_follow_up_row *row, struct str sealed)
{
	return db_exec(ctx, db, STMT_NOTICE_FOLLOW_UP_SEAL,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->room_id),
			db_text(row->kind), db_bigint(row->ordinal), db_text(sealed)),
		NULL);
}

enum err store_notice_follow_up_done(struct ctx *ctx, struct db *db,
	const struct notice_follow_up_row *row, int64_t now_ms)
{
	return db_exec(ctx, db, STMT_NOTICE_FOLLOW_UP_DONE,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->room_id),
			db_text(row->kind), db_bigint(row->ordinal), db_bigint(now_ms)),
		NULL);
}

enum err store_notice_follow_up_failed(struct ctx *ctx, struct db *db,
	const struct notice_follow_up_row *row, int64_t next_try_ms, struct str reason)
{
	return db_exec(ctx, db, STMT_NOTICE_FOLLOW_UP_FAILED,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->room_id),
			db_text(row->kind), db_bigint(row->ordinal),
			next_try_ms != 0 ? db_bigint(next_try_ms) : db_null(), db_text(reason)),
		NULL);
}

enum err store_notice_follow_up_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t limit, struct notice_follow_up_outcome **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_FOLLOW_UP_LIST,
		DB_ARGS(db_bigint(notice_id), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_follow_up_outcome, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_follow_up_outcome){
			.due_at_ms = db_int(rows, i, 0),
			.room_id = db_str(rows, i, 1),
			.kind = db_str(rows, i, 2),
			.next_try_ms = db_int(rows, i, 3),
			.reason = db_str(rows, i, 4),
			.done_at_ms = db_int(rows, i, 5),
		};
	}
	return ERR_OK;
}
