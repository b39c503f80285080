/*
 * Messages to senders. One statement per function.
 */
#include "storage/notice_command.h"

enum err store_notice_manager_insert(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id)
{
	return db_exec(ctx, db, STMT_NOTICE_MANAGER_INSERT, DB_ARGS(db_text(sender), db_text(user_id)),
		NULL);
}

enum err store_notice_manager_delete(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id)
{
	int64_t affected;
	TRY(db_exec(ctx, db, STMT_NOTICE_MANAGER_DELETE, DB_ARGS(db_text(sender), db_text(user_id)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_manager_list(struct ctx *ctx, struct db *db, struct str sender,
	struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_NOTICE_MANAGER_LIST, DB_ARGS(db_text(sender)), out,
		out_count);
}

enum err store_notice_manager_find(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id, bool *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_MANAGER_FIND, DB_ARGS(db_text(sender), db_text(user_id)),
		&rows));
	*out = db_is_true(rows, 0, 0);
	return ERR_OK;
}

enum err store_notice_commands_take(struct ctx *ctx, struct tx *tx, int64_t after, int64_t reached,
	int64_t now_ms, size_t *out_count)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_NOTICE_COMMANDS_TAKE,
		DB_ARGS(db_bigint(after), db_bigint(reached), db_bigint(now_ms)), &rows));
	*out_count = db_count(rows);
	return ERR_OK;
}

enum err store_notice_commands_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_command_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_COMMANDS_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_command_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_command_row){
			.event_id = db_str(rows, i, 0),
			.sender = db_str(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.user_id = db_str(rows, i, 3),
			.is_invite = str_equals(db_str(rows, i, 4), STR("invite")),
			.queued_at_ms = db_int(rows, i, 5),
		};
	}
	return ERR_OK;
}

enum err store_notice_commands_later(struct ctx *ctx, struct db *db,
	const struct notice_command_row *row, int64_t next_try_ms)
{
	return db_exec(ctx, db, STMT_NOTICE_COMMANDS_LATER,
		DB_ARGS(db_text(row->event_id), db_text(row->sender), db_bigint(next_try_ms)), NULL);
}

enum err store_notice_commands_done(struct ctx *ctx, struct db *db,
	const struct notice_command_row *row)
{
	return db_exec(ctx, db, STMT_NOTICE_COMMANDS_DONE,
		DB_ARGS(db_text(row->event_id), db_text(row->sender)), NULL);
}

enum err store_notice_command_find(struct ctx *ctx, struct db *db, struct str sender,
	struct str request_key, int64_t *out_notice_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_COMMAND_FIND, DB_ARGS(db_text(sender), db_text(request_key)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_notice_id = db_int(rows, 0, 0);
	return ERR_OK;
}
