/*
 * State intervals and members. One statement per function.
 */
#include "storage/state.h"

static void read_states(struct ctx *ctx, struct db_rows *rows, struct state_row **out,
	size_t *out_count)
{
	size_t count = db_count(rows);
	struct state_row *list = ARENA_NEW_ARRAY(ctx->arena, struct state_row, count);
	for (size_t i = 0; i < count; i++) {
		list[i] = (struct state_row){
			.type = db_str(rows, i, 0),
			.state_key = db_str(rows, i, 1),
			.from_position = db_int(rows, i, 2),
			.event_position = db_int(rows, i, 3),
			.event_id = db_str(rows, i, 4),
			.membership = db_str(rows, i, 5),
		};
	}
	*out = list;
	*out_count = count;
}

/* A position that the end of an open interval (the largest bigint) lies behind. */
static struct db_value before_the_end(int64_t position)
{
	return db_bigint(MIN_OF(position, INT64_MAX - 1));
}

enum err store_state_current(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_CURRENT, DB_ARGS(db_bigint(room_nid)), &rows));
	read_states(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_state_at(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t position,
	struct state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_AT, DB_ARGS(db_bigint(room_nid), before_the_end(position)),
		&rows));
	read_states(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_state_without_members(struct ctx *ctx, struct db *db, int64_t room_nid,
	int64_t position, const struct str *members, size_t member_count, struct state_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_WITHOUT_MEMBERS,
		DB_ARGS(db_bigint(room_nid), before_the_end(position), db_texts(members, member_count)),
		&rows));
	read_states(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_state_one_at(struct ctx *ctx, struct db *db, int64_t room_nid, struct str type,
	struct str state_key, int64_t position, struct state_row *out)
{
	struct db_rows *rows;
	struct state_row *list;
	size_t count;
	TRY(db_query(ctx, db, STMT_STATE_ONE_AT,
		DB_ARGS(db_bigint(room_nid), db_text(type), db_text(state_key), before_the_end(position)),
		&rows));
	read_states(ctx, rows, &list, &count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = list[0];
	return ERR_OK;
}

enum err store_state_changes(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t after,
	int64_t up_to, struct state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_CHANGES,
		DB_ARGS(db_bigint(room_nid), db_bigint(after), before_the_end(up_to)), &rows));
	read_states(ctx, rows, out, out_count);
	return ERR_OK;
}

static void read_ends(const struct db_rows *rows, struct state_row *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		list[i].to_position = db_int(rows, i, 6);
	}
}

enum err store_state_last_join(struct ctx *ctx, struct db *db, int64_t room_nid, struct str user_id,
	int64_t up_to, struct state_row *out)
{
	struct db_rows *rows;
	struct state_row *list;
	size_t count;
	TRY(db_query(ctx, db, STMT_STATE_LAST_JOIN,
		DB_ARGS(db_bigint(room_nid), db_text(user_id), db_bigint(up_to)), &rows));
	read_states(ctx, rows, &list, &count);
	read_ends(rows, list, count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = list[0];
	return ERR_OK;
}

enum err store_state_viewer(struct ctx *ctx, struct db *db, int64_t room_nid, struct str user_id,
	const int64_t *positions, size_t position_count, struct state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_VIEWER,
		DB_ARGS(db_bigint(room_nid), db_text(user_id), db_bigints(positions, position_count)),
		&rows));
	read_states(ctx, rows, out, out_count);
	read_ends(rows, *out, *out_count);
	return ERR_OK;
}

enum err store_state_kinds(struct ctx *ctx, struct db *db, const int64_t *room_nids, size_t count,
	struct kind_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_KINDS, DB_ARGS(db_bigints(room_nids, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct kind_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct kind_row){(size_t)db_int(rows, i, 0) - 1, db_str(rows, i, 1),
			db_is_true(rows, i, 2)};
	}
	return ERR_OK;
}

enum err store_state_viewer_server(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str server, struct state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_VIEWER_SERVER, DB_ARGS(db_bigint(room_nid), db_text(server)),
		&rows));
	read_states(ctx, rows, out, out_count);
	return ERR_OK;
}

void store_state_end(struct write *write, int64_t room_nid, struct str type, struct str state_key,
	size_t position_index)
{
	write_add(write, STMT_STATE_CLOSE,
		DB_ARGS(db_bigint(room_nid), db_text(type), db_text(state_key),
			db_position(position_index)));
}

void store_state_stand(struct write *write, int64_t room_nid, struct str type, struct str state_key,
	struct str event_id)
{
	write_add(write, STMT_STATE_STAND,
		DB_ARGS(db_bigint(room_nid), db_text(type), db_text(state_key), db_text(event_id)));
}

void store_state_change(struct write *write, int64_t room_nid, const struct state_row *row,
	size_t position_index, int64_t event_position)
{
	store_state_end(write, room_nid, row->type, row->state_key, position_index);
	write_add(write, STMT_STATE_OPEN,
		DB_ARGS(db_bigint(room_nid), db_text(row->type), db_text(row->state_key),
			db_position(position_index),
			event_position != 0 ? db_bigint(event_position) : db_position(position_index),
			db_text(row->event_id), db_text(row->membership)));
}

void store_state_event_move(struct write *write, int64_t room_nid, struct str type,
	struct str state_key, struct str event_id, struct db_value position)
{
	write_add(write, STMT_STATE_EVENT_MOVE,
		DB_ARGS(db_bigint(room_nid), db_text(type), db_text(state_key), db_text(event_id),
			position));
}

enum err store_member_rooms(struct ctx *ctx, struct db *db, struct str user_id,
	struct member_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEMBER_ROOMS, DB_ARGS(db_text(user_id)), &rows));
	size_t count = db_count(rows);
	struct member_row *list = ARENA_NEW_ARRAY(ctx->arena, struct member_row, count);
	for (size_t i = 0; i < count; i++) {
		list[i] = (struct member_row){
			.user_id = user_id,
			.room_nid = db_int(rows, i, 0),
			.membership = db_str(rows, i, 1),
			.position = db_int(rows, i, 2),
			.is_local = true,
			.is_forgotten = db_is_true(rows, i, 3),
			.stripped = db_str(rows, i, 4),
			.room_id = db_str(rows, i, 5),
			.room_version = db_str(rows, i, 6),
			.room_last_position = db_int(rows, i, 7),
			.room_receipt_position = db_int(rows, i, 8),
		};
	}
	*out = list;
	*out_count = count;
	return ERR_OK;
}

enum err store_member_thrown_out(struct ctx *ctx, struct db *db,
	const struct thrown_out_query *query, int64_t **out, size_t *out_count)
{
	return db_query_ints(ctx, db, STMT_MEMBER_THROWN_OUT,
		DB_ARGS(db_text(query->user_id), db_bigint(query->up_to), db_bigint((int64_t)query->max),
			db_bigint((int64_t)query->looked_at), db_bool(query->with_strangers)),
		out, out_count);
}

enum err store_member_joined(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct joined_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEMBER_JOINED, DB_ARGS(db_texts(user_ids, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct joined_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct joined_row){db_str(rows, i, 0), db_int(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_member_of_room(struct ctx *ctx, struct db *db, int64_t room_nid, struct str user_id,
	struct member_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEMBER_OF_ROOM, DB_ARGS(db_bigint(room_nid), db_text(user_id)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct member_row){
		.user_id = user_id,
		.room_nid = room_nid,
		.membership = db_str(rows, 0, 0),
		.position = db_int(rows, 0, 1),
		.is_forgotten = db_is_true(rows, 0, 2),
		.stripped = db_str(rows, 0, 3),
	};
	return ERR_OK;
}

enum err store_member_forget(struct ctx *ctx, struct db *db, int64_t room_nid, struct str user_id)
{
	return db_exec(ctx, db, STMT_MEMBER_FORGET, DB_ARGS(db_bigint(room_nid), db_text(user_id)),
		NULL);
}

enum err store_member_share_room(struct ctx *ctx, struct db *db, struct str a, struct str b,
	bool *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MEMBER_SHARED_ROOM, DB_ARGS(db_text(a), db_text(b)), &rows));
	*out = db_count(rows) > 0;
	return ERR_OK;
}

void store_member_set(struct write *write, const struct member_row *row, size_t position_index)
{
	write_add(write, STMT_MEMBER_SET,
		DB_ARGS(db_bigint(row->room_nid), db_text(row->user_id), db_text(row->membership),
			db_position(position_index), db_bool(row->is_local), db_text(row->stripped),
			db_bool(row->is_forgotten)));
}
