/*
 * Reminders of notices. One statement per function.
 */
#include "storage/notice_remind.h"

enum err store_notice_remind(struct ctx *ctx, struct db *db, const struct notice_remind_step *step,
	size_t *out_reminded)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_REMIND,
		DB_ARGS(db_bigint(step->notice_id), db_bigint(step->due_at_ms),
			db_texts(step->user_ids, step->count), db_texts(step->room_ids, step->count),
			db_text(step->level), db_bigint(step->now_ms), db_bigint(step->before_ms)),
		&rows));
	*out_reminded = db_count(rows);
	return ERR_OK;
}

enum err store_notice_remind_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_reminder_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_REMIND_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_reminder_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_reminder_row){
			.notice_id = db_int(rows, i, 0),
			.due_at_ms = db_int(rows, i, 1),
			.user_id = db_str(rows, i, 2),
			.room_id = db_str(rows, i, 3),
			.level = db_str(rows, i, 4),
			.asked_at_ms = db_int(rows, i, 5),
			.txn_key = db_str(rows, i, 6),
			.failures = db_int(rows, i, 7),
			.sender = db_str(rows, i, 8),
			.sender_name = db_str(rows, i, 9),
			.texts = db_str(rows, i, 10),
			.languages = db_str(rows, i, 11),
			.event_id = db_str(rows, i, 12),
			.is_encrypted = db_is_true(rows, i, 13),
			.address = db_str(rows, i, 14),
		};
	}
	return ERR_OK;
}

enum err store_notice_remind_sent(struct ctx *ctx, struct db *db,
	const struct notice_reminder_row *row, struct str sent_as)
{
	return db_exec(ctx, db, STMT_NOTICE_REMIND_SENT,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->user_id),
			db_bigint(row->asked_at_ms), db_text(sent_as)),
		NULL);
}

enum err store_notice_remind_failed(struct ctx *ctx, struct db *db,
	const struct notice_reminder_row *row, int64_t next_try_ms, struct str reason)
{
	return db_exec(ctx, db, STMT_NOTICE_REMIND_FAILED,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->user_id),
			db_bigint(row->asked_at_ms), next_try_ms != 0 ? db_bigint(next_try_ms) : db_null(),
			db_text(reason)),
		NULL);
}

enum err store_notice_direct_room(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id, struct str *out_room_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_DIRECT_ROOM, DB_ARGS(db_text(sender), db_text(user_id)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_room_id = db_str(rows, 0, 0);
	return ERR_OK;
}
