/*
 * The timeline's rows. One statement per function.
 */
#include "storage/event.h"

enum { CHILDLESS_COLUMN = 11 }; /* behind those of an event */

void store_events_read(struct ctx *ctx, const struct db_rows *rows, struct event_row **out,
	size_t *out_count)
{
	size_t count = db_count(rows);
	struct event_row *list = ARENA_NEW_ARRAY(ctx->arena, struct event_row, count);
	for (size_t i = 0; i < count; i++) {
		list[i] = (struct event_row){
			.position = db_int(rows, i, 0),
			.event_id = db_str(rows, i, 1),
			.json = db_str(rows, i, 2),
			.replaces_position = db_int(rows, i, 3),
			.thread_root = db_str(rows, i, 4),
			.txn = db_str(rows, i, 5),
			.notify_seq = db_int(rows, i, 6),
			.highlight_seq = db_int(rows, i, 7),
			.redacted_by = db_int(rows, i, 8),
			.room_nid = db_int(rows, i, 9),
			.fate = (enum event_row_fate)db_int(rows, i, 10),
		};
	}
	*out = list;
	*out_count = count;
}

void store_events_read_childless(struct ctx *ctx, const struct db_rows *rows, size_t column,
	struct event_row **out, size_t *out_count)
{
	store_events_read(ctx, rows, out, out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i].is_childless = db_is_true(rows, i, column);
	}
}

enum err store_events_by_position(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count, struct event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENTS_BY_POSITION,
		DB_ARGS(db_bigint(room_nid), db_bigints(positions, count)), &rows));
	store_events_read(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_events_by_id(struct ctx *ctx, struct db *db, const struct str *event_ids,
	size_t count, struct event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENTS_BY_ID, DB_ARGS(db_texts(event_ids, count)), &rows));
	store_events_read(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_events_standing(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENTS_STANDING,
		DB_ARGS(db_bigint(room_nid), db_texts(event_ids, count)), &rows));
	for (size_t i = 0; i < count; i++) {
		out[i] = 0;
	}
	for (size_t i = 0; i < db_count(rows); i++) {
		out[db_int(rows, i, 0) - 1] = db_int(rows, i, 1);
	}
	return ERR_OK;
}

enum err store_events_between(struct ctx *ctx, struct db *db, const struct event_span *span,
	struct event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, span->is_backwards ? STMT_EVENTS_BEFORE : STMT_EVENTS_AFTER,
		DB_ARGS(db_bigint(span->room_nid), db_bigint(span->after), db_bigint(span->up_to),
			db_bigint(span->limit), db_bool(span->asks_children)),
		&rows));
	store_events_read_childless(ctx, rows, CHILDLESS_COLUMN, out, out_count);
	return ERR_OK;
}

enum err store_event_newest_of(struct ctx *ctx, struct db *db, const struct event_span *span,
	const struct str *types, size_t type_n, bool *out_is_found, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENT_NEWEST_OF,
		DB_ARGS(db_bigint(span->room_nid), db_bigint(span->after), db_bigint(span->up_to),
			db_texts(types, type_n), db_bigint(span->limit)),
		&rows));
	*out_is_found = !db_is_null(rows, 0, 0);
	size_t column = *out_is_found ? 0 : 1;
	if (db_is_null(rows, 0, column)) {
		return ERR_MISSING;
	}
	*out = db_int(rows, 0, column);
	return ERR_OK;
}

enum err store_events_around(struct ctx *ctx, struct db *db, const struct event_surroundings *ask,
	struct event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENTS_AROUND,
		DB_ARGS(db_bigint(ask->room_nid), db_bigint(ask->position), db_bigint(ask->up_to),
			db_bigint(ask->before), db_bigint(ask->after)),
		&rows));
	store_events_read_childless(ctx, rows, CHILDLESS_COLUMN, out, out_count);
	return ERR_OK;
}

enum err store_events_in_stream(struct ctx *ctx, struct db *db, int64_t after, int64_t up_to,
	int64_t limit, struct event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENTS_IN_STREAM,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit)), &rows));
	store_events_read(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_counts_at(struct ctx *ctx, struct db *db, int64_t room_nid, struct str thread_root,
	int64_t position, int64_t *out_notify, int64_t *out_highlight)
{
	struct db_rows *rows;
	if (thread_root.p != NULL) {
		TRY(db_query(ctx, db, STMT_THREAD_COUNTS_AT,
			DB_ARGS(db_bigint(room_nid), db_text(thread_root), db_bigint(position)), &rows));
	} else {
		TRY(db_query(ctx, db, STMT_MAIN_COUNTS_AT,
			DB_ARGS(db_bigint(room_nid), db_bigint(position)), &rows));
	}
	bool found = db_count(rows) > 0;
	*out_notify = found ? db_int(rows, 0, 0) : 0;
	*out_highlight = found ? db_int(rows, 0, 1) : 0;
	return ERR_OK;
}

enum err store_relations_by_sender(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str parent_id, struct str rel_type, struct str sender, int64_t **out, size_t *out_count)
{
	return db_query_ints(ctx, db, STMT_RELATIONS_BY_SENDER,
		DB_ARGS(db_bigint(room_nid), db_text(parent_id), db_text(rel_type), db_text(sender)), out,
		out_count);
}

enum err store_events_near(struct ctx *ctx, struct db *db, const struct events_near *ask,
	struct event_time **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, ask->is_backwards ? STMT_EVENTS_UNTIL_TS : STMT_EVENTS_FROM_TS,
		DB_ARGS(db_bigint(ask->room_nid), db_bigint(ask->from.origin_server_ts),
			db_bigint(ask->from.position), db_bigint(ask->up_to), db_bigint(ask->limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct event_time, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct event_time){
			.position = db_int(rows, i, 0),
			.origin_server_ts = db_int(rows, i, 1),
		};
	}
	return ERR_OK;
}

static struct db_value replaced(const struct event_row *row, const struct event_columns *columns)
{
	if (columns->replaces_index >= 0) {
		return db_position((size_t)columns->replaces_index);
	}
	return row->replaces_position == 0 ? db_null() : db_bigint(row->replaces_position);
}

void store_event_insert(struct write *write, const struct event_row *row,
	const struct event_columns *columns, struct db_value position)
{
	write_add(write, STMT_EVENT_INSERT,
		DB_ARGS(db_bigint(row->room_nid), position, db_text(row->event_id), db_text(columns->type),
			db_text(columns->state_key), db_text(columns->sender),
			db_bigint(columns->origin_server_ts), db_bigint(columns->depth), db_text(row->json),
			replaced(row, columns), db_text(row->thread_root), db_text(row->txn),
			db_bigint(row->notify_seq), db_bigint(row->highlight_seq)));
}

void store_event_move(struct write *write, const struct event_row *row,
	const struct event_columns *columns, struct db_value position)
{
	write_add(write, STMT_EVENT_MOVE,
		DB_ARGS(db_bigint(row->room_nid), db_text(row->event_id), position, replaced(row, columns),
			db_text(row->thread_root), db_bigint(row->notify_seq), db_bigint(row->highlight_seq),
			db_bigint(row->fate)));
}

void store_relation_insert(struct write *write, int64_t room_nid, struct str parent_id,
	struct db_value position, struct str rel_type, struct str type, struct str sender)
{
	write_add(write, STMT_RELATION_INSERT,
		DB_ARGS(db_bigint(room_nid), db_text(parent_id), position, db_text(rel_type), db_text(type),
			db_text(sender)));
}

void store_relation_delete(struct write *write, int64_t room_nid, struct str parent_id,
	int64_t position)
{
	write_add(write, STMT_RELATION_DELETE,
		DB_ARGS(db_bigint(room_nid), db_text(parent_id), db_bigint(position)));
}

void store_event_redact(struct write *write, int64_t room_nid, struct str event_id,
	struct str redacted_json, struct db_value redaction_position)
{
	write_add(write, STMT_EVENT_REDACT,
		DB_ARGS(db_bigint(room_nid), db_text(event_id), db_text(redacted_json),
			redaction_position));
}

void store_event_hold(struct write *write, int64_t room_nid, struct str event_id, struct str json)
{
	store_event_redact(write, room_nid, event_id, json, db_bigint(EVENT_HELD_BACK));
}

void store_event_release(struct write *write, int64_t room_nid, struct str event_id,
	struct str json)
{
	store_event_redact(write, room_nid, event_id, json, db_bigint(0));
}

void store_mention_insert(struct write *write, struct str user_id, int64_t room_nid,
	size_t position_index, struct str thread_root, bool is_counted)
{
	write_add(write, STMT_MENTION_INSERT,
		DB_ARGS(db_text(user_id), db_bigint(room_nid), db_position(position_index),
			db_text(thread_root), db_bool(is_counted)));
}
