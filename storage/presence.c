/*
 * Status messages. One statement per function.
 */
#include "storage/presence.h"

enum err store_presence_statuses(struct ctx *ctx, struct db *db, struct presence_status_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PRESENCE_STATUSES_ALL, DB_NO_ARGS, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct presence_status_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct presence_status_row){db_str(rows, i, 0), db_str(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_presence_status_set(struct ctx *ctx, struct db *db, struct str user_id,
	struct str status_msg)
{
	return status_msg.n > 0
		? db_exec(ctx, db, STMT_PRESENCE_STATUS_SET, DB_ARGS(db_text(user_id), db_text(status_msg)),
			  NULL)
		: db_exec(ctx, db, STMT_PRESENCE_STATUS_DELETE, DB_ARGS(db_text(user_id)), NULL);
}
