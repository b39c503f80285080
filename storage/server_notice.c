/*
 * Server notices. One statement per function.
 */
#include "storage/server_notice.h"

enum err store_server_notice_insert(struct ctx *ctx, struct db *db,
	const struct server_notice_row *row)
{
	return db_exec(ctx, db, STMT_SERVER_NOTICE_INSERT,
		DB_ARGS(db_text(row->user_id), db_text(row->body), db_bigint(row->created_at_ms)), NULL);
}

enum err store_server_notice_waiting(struct ctx *ctx, struct db *db, int64_t limit,
	struct server_notice_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SERVER_NOTICE_WAITING, DB_ARGS(db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct server_notice_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct server_notice_row){
			.notice_id = db_int(rows, i, 0),
			.user_id = db_str(rows, i, 1),
			.body = db_str(rows, i, 2),
			.created_at_ms = db_int(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_server_notice_delete(struct ctx *ctx, struct db *db, int64_t notice_id)
{
	return db_exec(ctx, db, STMT_SERVER_NOTICE_DELETE, DB_ARGS(db_bigint(notice_id)), NULL);
}

enum err store_server_notice_room_find(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out_room_nid)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SERVER_NOTICE_ROOM_FIND, DB_ARGS(db_text(user_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_room_nid = db_int(rows, 0, 0);
	return ERR_OK;
}

void store_server_notice_room_claim(struct write *write, struct str user_id, int64_t room_nid)
{
	write_add(write, STMT_SERVER_NOTICE_ROOM_CLAIM, DB_ARGS(db_text(user_id), db_bigint(room_nid)));
}
