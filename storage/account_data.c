/*
 * Account data. One statement per function.
 */
#include "storage/account_data.h"

static void read_rows(struct ctx *ctx, struct db_rows *rows, struct account_data_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct account_data_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct account_data_row){
			.room_nid = db_int(rows, i, 0),
			.type = db_str(rows, i, 1),
			.content = db_str(rows, i, 2),
			.position = db_int(rows, i, 3),
		};
	}
}

enum err store_account_data_get(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t room_nid, struct str type, struct account_data_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ACCOUNT_DATA_GET,
		DB_ARGS(db_text(user_id), db_bigint(room_nid), db_text(type)), &rows));
	struct account_data_row *list;
	size_t count;
	read_rows(ctx, rows, &list, &count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = list[0];
	return ERR_OK;
}

enum err store_account_data_of_room(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t room_nid, int64_t after, int64_t up_to, struct account_data_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ACCOUNT_DATA_OF_ROOM,
		DB_ARGS(db_text(user_id), db_bigint(room_nid), db_bigint(after), db_bigint(up_to)), &rows));
	read_rows(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_account_data_of_rooms(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t after, int64_t up_to, struct account_data_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ACCOUNT_DATA_OF_ROOMS,
		DB_ARGS(db_text(user_id), db_bigint(after), db_bigint(up_to)), &rows));
	read_rows(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_account_data_position(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out, struct str *out_invite_permission)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ACCOUNT_DATA_POSITION, DB_ARGS(db_text(user_id)), &rows));
	*out = db_int(rows, 0, 0);
	*out_invite_permission = db_str(rows, 0, 1);
	return ERR_OK;
}

void store_account_data_set(struct write *write, struct str user_id, int64_t room_nid,
	struct str type, struct str content, int64_t expected)
{
	write_add(write, STMT_ACCOUNT_DATA_SET,
		DB_ARGS(db_text(user_id), db_bigint(room_nid), db_text(type), db_text(content),
			db_position(0), db_bigint(expected)));
}

enum err store_account_data_erase(struct ctx *ctx, struct db *db, struct str user_id)
{
	return db_exec(ctx, db, STMT_ACCOUNT_DATA_ERASE, DB_ARGS(db_text(user_id)), NULL);
}
