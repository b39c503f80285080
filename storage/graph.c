/*
 * Rows of event graphs. One statement per function.
 */
#include "storage/graph.h"

enum err store_outlier_blocks(struct ctx *ctx, struct db *db, size_t count, int64_t **out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTLIER_BLOCK_NEXT, DB_ARGS(db_bigint((int64_t)count)), &rows));
	*out = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		(*out)[i] = db_int(rows, i, 0);
	}
	return ERR_OK;
}

/* The columns of several events, as arrays. */
struct event_arrays {
	int64_t *room_nid, *position, *ts, *depth, *fate;
	struct str *event_id, *type, *state_key, *sender, *json;
};

static struct event_arrays arrays_create(struct arena *arena, size_t count)
{
	return (struct event_arrays){
		.room_nid = ARENA_NEW_ARRAY(arena, int64_t, count),
		.position = ARENA_NEW_ARRAY(arena, int64_t, count),
		.ts = ARENA_NEW_ARRAY(arena, int64_t, count),
		.depth = ARENA_NEW_ARRAY(arena, int64_t, count),
		.fate = ARENA_NEW_ARRAY(arena, int64_t, count),
		.event_id = ARENA_NEW_ARRAY(arena, struct str, count),
		.type = ARENA_NEW_ARRAY(arena, struct str, count),
		.state_key = ARENA_NEW_ARRAY(arena, struct str, count),
		.sender = ARENA_NEW_ARRAY(arena, struct str, count),
		.json = ARENA_NEW_ARRAY(arena, struct str, count),
	};
}

enum err store_events_keep(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct kept_event *events, size_t count, int64_t *out_kept)
{
	struct event_arrays a = arrays_create(ctx->arena, count);
	for (size_t i = 0; i < count; i++) {
		const struct event_columns *columns = &events[i].columns;
		a.room_nid[i] = room_nid;
		a.position[i] = events[i].position;
		a.event_id[i] = events[i].event_id;
		a.type[i] = columns->type;
		a.state_key[i] = columns->state_key;
		a.sender[i] = columns->sender;
		a.ts[i] = columns->origin_server_ts;
		a.depth[i] = columns->depth;
		a.json[i] = events[i].json;
		a.fate[i] = events[i].fate;
	}
	return db_exec(ctx, db, STMT_EVENT_KEEP,
		DB_ARGS(db_bigints(a.room_nid, count), db_bigints(a.position, count),
			db_texts(a.event_id, count), db_texts(a.type, count), db_texts(a.state_key, count),
			db_texts(a.sender, count), db_bigints(a.ts, count), db_bigints(a.depth, count),
			db_texts(a.json, count), db_bigints(a.fate, count)),
		out_kept);
}

enum err store_event_set_aside(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct kept_event *event, int64_t base_position, struct str difference,
	int64_t *out_position)
{
	const struct event_columns *columns = &event->columns;
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENT_SET_ASIDE,
		DB_ARGS(db_bigint(room_nid), db_bigint(event->position), db_text(event->event_id),
			db_text(columns->type), db_text(columns->state_key), db_text(columns->sender),
			db_bigint(columns->origin_server_ts), db_bigint(columns->depth), db_text(event->json),
			db_bigint(event->fate), db_bigint(base_position), db_text(difference)),
		&rows));
	*out_position = db_count(rows) > 0 ? db_int(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err store_events_hold(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count)
{
	return db_exec(ctx, db, STMT_EVENT_HOLD,
		DB_ARGS(db_bigint(room_nid), db_texts(event_ids, count)), NULL);
}

enum err store_events_hold_all(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count)
{
	return db_exec(ctx, db, STMT_EVENT_HOLD_ALL,
		DB_ARGS(db_bigint(room_nid), db_texts(event_ids, count)), NULL);
}

enum err store_events_aside(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct aside_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENTS_ASIDE, DB_ARGS(db_bigint(room_nid)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct aside_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct aside_row){
			.position = db_int(rows, i, 0),
			.event_id = db_str(rows, i, 1),
			.json = db_str(rows, i, 2),
			.difference = db_str(rows, i, 3),
			.is_held = db_is_true(rows, i, 4),
		};
	}
	return ERR_OK;
}

enum err store_events_aside_forget(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count)
{
	return db_exec(ctx, db, STMT_EVENTS_ASIDE_FORGET,
		DB_ARGS(db_bigint(room_nid), db_bigints(positions, count)), NULL);
}

enum err store_room_ground(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ROOM_GROUND, DB_ARGS(db_bigint(room_nid)), &rows));
	*out = db_count(rows) > 0 ? db_int(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err store_event_states(struct ctx *ctx, struct db *db, int64_t room_nid,
	const int64_t *positions, size_t count, struct event_state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENT_STATES_AT,
		DB_ARGS(db_bigint(room_nid), db_bigints(positions, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct event_state_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct event_state_row){
			.position = db_int(rows, i, 0),
			.base_position = db_int(rows, i, 1),
			.difference = db_str(rows, i, 2),
		};
	}
	return ERR_OK;
}

void store_event_state_insert(struct write *write, int64_t room_nid, struct db_value position,
	struct db_value base_position, struct str difference)
{
	write_add(write, STMT_EVENT_STATE_INSERT,
		DB_ARGS(db_bigint(room_nid), position, base_position, db_text(difference)));
}

static void read_intervals(struct ctx *ctx, const struct db_rows *rows, struct state_interval **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct state_interval, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct state_interval){
			.row =
				{
					.type = db_str(rows, i, 0),
					.state_key = db_str(rows, i, 1),
					.from_position = db_int(rows, i, 2),
					.event_position = db_int(rows, i, 4),
					.event_id = db_str(rows, i, 5),
					.membership = db_str(rows, i, 6),
				},
			.to_position = db_int(rows, i, 3),
		};
	}
}

enum err store_state_ended(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t after,
	struct state_interval **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_ENDED_SINCE, DB_ARGS(db_bigint(room_nid), db_bigint(after)),
		&rows));
	read_intervals(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_state_intervals(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *types, const struct str *state_keys, size_t count,
	struct state_interval **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STATE_INTERVALS,
		DB_ARGS(db_bigint(room_nid), db_texts(types, count), db_texts(state_keys, count)), &rows));
	read_intervals(ctx, rows, out, out_count);
	return ERR_OK;
}

void store_state_forget(struct write *write, int64_t room_nid, struct str type,
	struct str state_key)
{
	write_add(write, STMT_STATE_FORGET,
		DB_ARGS(db_bigint(room_nid), db_text(type), db_text(state_key)));
}

void store_state_interval(struct write *write, int64_t room_nid,
	const struct state_interval *interval)
{
	const struct state_row *row = &interval->row;
	write_add(write, STMT_STATE_INTERVAL_INSERT,
		DB_ARGS(db_bigint(room_nid), db_text(row->type), db_text(row->state_key),
			db_bigint(row->from_position), db_bigint(interval->to_position),
			db_bigint(row->event_position), db_text(row->event_id), db_text(row->membership)));
}

enum err store_auth_chain(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, struct event_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_AUTH_CHAIN, DB_ARGS(db_bigint(room_nid), db_texts(event_ids, count)),
		&rows));
	store_events_read(ctx, rows, out, out_count);
	return ERR_OK;
}

static struct str *read_texts(struct ctx *ctx, const struct db_rows *rows, size_t column)
{
	size_t count = db_count(rows);
	struct str *texts = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		texts[i] = db_str(rows, i, column);
	}
	return texts;
}

enum err store_gap_newest(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t after,
	int64_t up_to, int64_t now_ms, struct gap_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_GAP_NEWEST,
		DB_ARGS(db_bigint(room_nid), db_bigint(after), db_bigint(up_to), db_bigint(now_ms)),
		&rows));
	*out = (struct gap_row){.prev_count = db_count(rows), .prev_ids = read_texts(ctx, rows, 1)};
	if (out->prev_count > 0) {
		out->position = db_int(rows, 0, 0);
	}
	return ERR_OK;
}

static enum err query_position(struct ctx *ctx, struct db *db, enum stmt_id stmt,
	struct db_args args, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, stmt, args, &rows));
	*out = db_count(rows) > 0 ? db_int(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err store_gap_oldest(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t after,
	int64_t up_to, int64_t *out_position)
{
	return query_position(ctx, db, STMT_GAP_OLDEST,
		DB_ARGS(db_bigint(room_nid), db_bigint(after), db_bigint(up_to)), out_position);
}

enum err store_gap_over(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t depth,
	int64_t *out_position)
{
	return query_position(ctx, db, STMT_GAP_OVER, DB_ARGS(db_bigint(room_nid), db_bigint(depth)),
		out_position);
}

enum err store_gap_in_time(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t from_ms,
	int64_t to_ms, int64_t *out_position)
{
	return query_position(ctx, db, STMT_GAP_IN_TIME,
		DB_ARGS(db_bigint(room_nid), db_bigint(from_ms), db_bigint(to_ms)), out_position);
}

enum err store_gap_postpone(struct ctx *ctx, struct db *db, int64_t room_nid, int64_t position,
	int64_t now_ms, int64_t first_ms, int64_t longest_ms)
{
	return db_exec(ctx, db, STMT_GAP_POSTPONE,
		DB_ARGS(db_bigint(room_nid), db_bigint(position), db_bigint(now_ms), db_bigint(first_ms),
			db_bigint(longest_ms)),
		NULL);
}

enum err store_gaps_named(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, struct named_gap **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_GAP_NAMED, DB_ARGS(db_bigint(room_nid), db_texts(event_ids, count)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct named_gap, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct named_gap){.prev_id = db_str(rows, i, 0), .lowest = db_int(rows, i, 1)};
	}
	return ERR_OK;
}

void store_gap_insert(struct write *write, int64_t room_nid, struct db_value position,
	struct str prev_id)
{
	write_add(write, STMT_GAP_INSERT, DB_ARGS(db_bigint(room_nid), position, db_text(prev_id)));
}

void store_gap_pass(struct write *write, int64_t room_nid, struct str prev_id, struct str behind)
{
	write_add(write, STMT_GAP_PASS,
		DB_ARGS(db_bigint(room_nid), db_text(prev_id), db_text(behind)));
}

void store_gap_leave(struct write *write, int64_t room_nid, int64_t place, struct str prev_id)
{
	write_add(write, STMT_GAP_LEAVE,
		DB_ARGS(db_bigint(room_nid), db_bigint(place), db_text(prev_id)));
}

void store_gap_close(struct write *write, int64_t room_nid, struct str prev_id)
{
	write_add(write, STMT_GAP_CLOSE, DB_ARGS(db_bigint(room_nid), db_text(prev_id)));
}

enum err store_graph_summary(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct graph_summary *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ROOM_GRAPH_SUMMARY, DB_ARGS(db_bigint(room_nid)), &rows));
	*out = (struct graph_summary){
		.newest_gap = db_int(rows, 0, 0),
		.newest_placed = db_int(rows, 0, 1),
		.has_waiting = db_is_true(rows, 0, 2),
	};
	return ERR_OK;
}

enum err store_waiting_redactions(struct ctx *ctx, struct db *db, int64_t room_nid,
	struct str redacts, int64_t **out, size_t *out_count)
{
	return db_query_ints(ctx, db, STMT_WAITING_REDACTIONS_OF,
		DB_ARGS(db_bigint(room_nid), db_text(redacts)), out, out_count);
}

void store_waiting_redaction_insert(struct write *write, int64_t room_nid, struct str redacts,
	struct db_value position)
{
	write_add(write, STMT_WAITING_REDACTION_INSERT,
		DB_ARGS(db_bigint(room_nid), db_text(redacts), position));
}

void store_waiting_redaction_delete(struct write *write, int64_t room_nid, struct str redacts)
{
	write_add(write, STMT_WAITING_REDACTION_DELETE, DB_ARGS(db_bigint(room_nid), db_text(redacts)));
}

enum err store_state_import(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct state_row *rows, size_t count)
{
	struct arena *arena = ctx->arena;
	int64_t *nids = ARENA_NEW_ARRAY(arena, int64_t, count);
	int64_t *positions = ARENA_NEW_ARRAY(arena, int64_t, count);
	struct str *types = ARENA_NEW_ARRAY(arena, struct str, count);
	struct str *keys = ARENA_NEW_ARRAY(arena, struct str, count);
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, count);
	struct str *memberships = ARENA_NEW_ARRAY(arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		nids[i] = room_nid;
		positions[i] = rows[i].event_position;
		types[i] = rows[i].type;
		keys[i] = rows[i].state_key;
		ids[i] = rows[i].event_id;
		memberships[i] = rows[i].membership;
	}
	return db_exec(ctx, db, STMT_STATE_IMPORT,
		DB_ARGS(db_bigints(nids, count), db_texts(types, count), db_texts(keys, count),
			db_bigints(positions, count), db_texts(ids, count), db_texts(memberships, count)),
		NULL);
}

enum err store_member_import(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct member_row *rows, size_t count)
{
	int64_t *nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	int64_t *locals = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	struct str *memberships = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		nids[i] = room_nid;
		users[i] = rows[i].user_id;
		memberships[i] = rows[i].membership;
		locals[i] = rows[i].is_local;
	}
	return db_exec(ctx, db, STMT_MEMBER_IMPORT,
		DB_ARGS(db_bigints(nids, count), db_texts(users, count), db_texts(memberships, count),
			db_bigints(locals, count)),
		NULL);
}
