/*
 * Unread counts: one statement whose rows are of three kinds, so that a room costs one round trip.
 */
#include "storage/unread.h"

enum { KIND_MAIN, KIND_THREAD, KIND_MENTION };

static struct unread_part_row read_part(const struct db_rows *rows, size_t i)
{
	return (struct unread_part_row){
		.root = db_str(rows, i, 1),
		.last_position = db_int(rows, i, 2),
		.mark_position = db_int(rows, i, 3),
		.now_notify = db_int(rows, i, 4),
		.now_highlight = db_int(rows, i, 5),
		.mark_notify = db_int(rows, i, 6),
		.mark_highlight = db_int(rows, i, 7),
	};
}

enum err store_unread(struct ctx *ctx, struct db *db, int64_t room_nid, struct str user_id,
	struct unread_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_UNREAD_LOAD,
		DB_ARGS(db_bigint(room_nid), db_text(user_id), db_bigint(UNREAD_WINDOW)), &rows));
	size_t count = db_count(rows);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = (struct unread_row){
		.threads = ARENA_NEW_ARRAY(ctx->arena, struct unread_part_row, count),
		.mentions = ARENA_NEW_ARRAY(ctx->arena, struct unread_mention_row, count),
	};
	for (size_t i = 0; i < count; i++) {
		switch (db_int(rows, i, 0)) {
		case KIND_MAIN:
			out->main = read_part(rows, i);
			out->room_position = db_int(rows, i, 2);
			out->read_position = db_int(rows, i, 8);
			break;
		case KIND_THREAD:
			out->threads[out->thread_count++] = read_part(rows, i);
			break;
		default:
			out->mentions[out->mention_count++] = (struct unread_mention_row){
				.root = db_str(rows, i, 1),
				.position = db_int(rows, i, 2),
				.is_counted = db_int(rows, i, 4) != 0,
			};
			break;
		}
	}
	return ERR_OK;
}
