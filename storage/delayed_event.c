/*
 * Delayed events. One statement per function.
 */
#include "storage/delayed_event.h"

enum err store_delayed_event_insert(struct ctx *ctx, struct db *db,
	const struct delayed_event_row *row, struct str txn_key, int64_t limit)
{
	int64_t added;
	TRY(db_exec(ctx, db, STMT_DELAYED_EVENT_INSERT,
		DB_ARGS(db_text(row->key.delay_id), db_text(row->user_id), db_text(row->room_id),
			db_text(row->type), db_text(row->state_key), db_text(row->content),
			row->is_dated ? db_bigint(row->origin_server_ts) : db_null(), db_bigint(row->delay_ms),
			db_bigint(row->running_since_ms), txn_key.p != NULL ? db_bytes(txn_key) : db_null(),
			db_bigint(limit)),
		&added));
	return added > 0 ? ERR_OK : ERR_CONFLICT;
}

static void read_row(const struct db_rows *rows, size_t i, struct delayed_event_row *out)
{
	*out = (struct delayed_event_row){
		.key = {.delay_id = db_str(rows, i, 0), .due_at_ms = db_int(rows, i, 9)},
		.user_id = db_str(rows, i, 1),
		.room_id = db_str(rows, i, 2),
		.type = db_str(rows, i, 3),
		.state_key = db_str(rows, i, 4),
		.content = db_str(rows, i, 5),
		.is_dated = !db_is_null(rows, i, 6),
		.origin_server_ts = db_is_null(rows, i, 6) ? 0 : db_int(rows, i, 6),
		.delay_ms = db_int(rows, i, 7),
		.running_since_ms = db_int(rows, i, 8),
	};
}

static void read_rows(struct ctx *ctx, const struct db_rows *rows, struct delayed_event_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct delayed_event_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		read_row(rows, i, &(*out)[i]);
	}
}

enum err store_delayed_event_find(struct ctx *ctx, struct db *db, struct str delay_id,
	struct delayed_event_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DELAYED_EVENT_FIND, DB_ARGS(db_text(delay_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	read_row(rows, 0, out);
	return ERR_OK;
}

enum err store_delayed_event_list(struct ctx *ctx, struct db *db, struct str user_id,
	struct delayed_event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DELAYED_EVENT_LIST, DB_ARGS(db_text(user_id)), &rows));
	read_rows(ctx, rows, out, out_count);
	return ERR_OK;
}

static enum err change_one(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args)
{
	int64_t changed;
	TRY(db_exec(ctx, db, stmt, args, &changed));
	return changed > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_delayed_event_restart(struct ctx *ctx, struct db *db, struct str delay_id,
	int64_t now_ms)
{
	return change_one(ctx, db, STMT_DELAYED_EVENT_RESTART,
		DB_ARGS(db_text(delay_id), db_bigint(now_ms)));
}

enum err store_delayed_event_cancel(struct ctx *ctx, struct db *db, struct str delay_id)
{
	return change_one(ctx, db, STMT_DELAYED_EVENT_CANCEL, DB_ARGS(db_text(delay_id)));
}

enum err store_delayed_event_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct delayed_event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DELAYED_EVENT_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)),
		&rows));
	read_rows(ctx, rows, out, out_count);
	return ERR_OK;
}

static enum err read_next(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	int64_t *out_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, stmt, args, &rows));
	*out_ms = db_is_null(rows, 0, 0) ? INT64_MAX : db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_delayed_event_next(struct ctx *ctx, struct db *db, int64_t *out_ms)
{
	return read_next(ctx, db, STMT_DELAYED_EVENT_NEXT, DB_NO_ARGS, out_ms);
}

enum err store_delayed_event_next_of_user(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out_ms)
{
	return read_next(ctx, db, STMT_DELAYED_EVENT_NEXT_OF_USER, DB_ARGS(db_text(user_id)), out_ms);
}

void store_delayed_event_take(struct write *write, const struct delayed_key *key)
{
	write_add(write, STMT_DELAYED_EVENT_TAKE,
		DB_ARGS(db_text(key->delay_id), db_bigint(key->due_at_ms)));
}

enum err store_delayed_event_stands(struct ctx *ctx, struct db *db, const struct delayed_key *key)
{
	struct delayed_event_row row;
	TRY(store_delayed_event_find(ctx, db, key->delay_id, &row));
	return row.key.due_at_ms == key->due_at_ms ? ERR_OK : ERR_MISSING;
}

enum err store_delayed_event_drop(struct ctx *ctx, struct db *db, const struct delayed_key *key)
{
	return db_exec(ctx, db, STMT_DELAYED_EVENT_DROP,
		DB_ARGS(db_text(key->delay_id), db_bigint(key->due_at_ms)), NULL);
}

enum err store_delayed_event_postpone(struct ctx *ctx, struct db *db, const struct delayed_key *key,
	int64_t due_at_ms)
{
	return db_exec(ctx, db, STMT_DELAYED_EVENT_POSTPONE,
		DB_ARGS(db_text(key->delay_id), db_bigint(key->due_at_ms), db_bigint(due_at_ms)), NULL);
}

enum err store_delayed_event_delete_user(struct ctx *ctx, struct db *db, struct str user_id)
{
	return db_exec(ctx, db, STMT_DELAYED_EVENT_DELETE_USER, DB_ARGS(db_text(user_id)), NULL);
}
