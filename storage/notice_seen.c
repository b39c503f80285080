/*
 * Who has seen a notice. One statement per function.
 */
#include "storage/notice_seen.h"

enum err store_notice_occurrences(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_occurrence_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_OCCURRENCES, DB_ARGS(db_bigint(notice_id)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_occurrence_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_occurrence_row){
			.due_at_ms = db_int(rows, i, 0),
			.sent = db_int(rows, i, 1),
			.rooms = db_int(rows, i, 2),
		};
	}
	return ERR_OK;
}

enum err store_notice_seen(struct ctx *ctx, struct db *db, int64_t notice_id, int64_t due_at_ms,
	struct notice_seen_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SEEN, DB_ARGS(db_bigint(notice_id), db_bigint(due_at_ms)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_seen_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_seen_row){
			.user_id = db_str(rows, i, 0),
			.display_name = db_str(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.is_ours = db_is_true(rows, i, 3),
			.is_delivered = db_is_true(rows, i, 4),
			.read_at_ms = db_int(rows, i, 5),
			.reacted_at_ms = db_int(rows, i, 6),
			.is_reaction_current = db_is_true(rows, i, 7),
			.linked_at_ms = db_int(rows, i, 8),
			.is_link_current = db_is_true(rows, i, 9),
			.room_name = db_str(rows, i, 10),
			.room_alias = db_str(rows, i, 11),
		};
	}
	return ERR_OK;
}

enum err store_notice_confirm(struct ctx *ctx, struct db *db, int64_t notice_id, int64_t due_at_ms,
	struct str user_id, int64_t now_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CONFIRM,
		DB_ARGS(db_bigint(notice_id), db_bigint(due_at_ms), db_text(user_id), db_bigint(now_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_confirm_show(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t due_at_ms, struct str user_id, struct notice_confirm_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CONFIRM_SHOW,
		DB_ARGS(db_bigint(notice_id), db_bigint(due_at_ms), db_text(user_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct notice_confirm_row){
		.sender = db_str(rows, 0, 0),
		.sender_name = db_str(rows, 0, 1),
		.texts = db_str(rows, 0, 2),
		.zone = db_str(rows, 0, 3),
		.is_encrypted = db_is_true(rows, 0, 4),
		.confirmed_at_ms = db_int(rows, 0, 5),
	};
	return ERR_OK;
}
