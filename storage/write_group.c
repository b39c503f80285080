/*
 * One transaction for a group of writes: the positions (whose row lock orders all processes), then each statement once, with the rows of
 * all writes as arrays.
 *
 * Where nobody else takes positions it is known which the group gets, and all is sent at once: one round trip, whose first statement
 * fails if it was not so. Then, and where others do, BEGIN and the positions are a round trip, the rest with COMMIT a second one. When the
 * connection breaks after the commit was sent, the mark that the transaction set tells afterwards whether it happened.
 *
 * A writer that is alone takes the head with its first group: from then on its mark stands in the row of the positions. Another one that takes it puts
 * that mark where those of all stand who have others beside them.
 */
#include "storage/write.h"

#include "base/clock.h"
#include "matrix/errcode.h"
#include "storage/pg_trip.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_TEXT = 25,
	OID_BOOL_ARRAY = 1000,
	OID_BYTEA_ARRAY = 1001,
	OID_TEXT_ARRAY = 1009,
	OID_INT8_ARRAY = 1016,
	/* With the connection's own limit, a database that hangs is given up within ten seconds. */
	GROUP_TIMEOUT_MS = 4000,
	OUTCOME_WAIT_MS = 2000,
	OUTCOME_PAUSE_MS = 50,
};

/* --- arrays --------------------------------------------------------------------------------------------- */

static Oid element_of(Oid array)
{
	switch (array) {
	case OID_BOOL_ARRAY:
		return OID_BOOL;
	case OID_BYTEA_ARRAY:
		return OID_BYTEA;
	case OID_INT8_ARRAY:
		return OID_INT8;
	default:
		invariant(array == OID_TEXT_ARRAY);
		return OID_TEXT;
	}
}

static void put_u32(char **at, uint32_t value)
{
	uint32_t big = htobe32(value);
	memcpy(*at, &big, sizeof(big));
	*at += sizeof(big);
}

static void put_bytes(char **at, struct str bytes)
{
	put_u32(at, (uint32_t)bytes.n);
	if (bytes.n > 0) {
		memcpy(*at, bytes.p, bytes.n);
		*at += bytes.n;
	}
}

static void put_element(char **at, const struct db_value *value, int64_t first_position)
{
	uint64_t big;
	char boolean = value->integer != 0;
	switch (value->kind) {
	case DB_KIND_TEXT:
	case DB_KIND_BYTES:
		if (value->text.p != NULL) {
			put_bytes(at, value->text);
			return;
		}
		break;
	case DB_KIND_INT:
		big = htobe64((uint64_t)value->integer);
		put_bytes(at, str_from((const char *)&big, sizeof(big)));
		return;
	case DB_KIND_POSITION:
		big = htobe64((uint64_t)(first_position + value->integer));
		put_bytes(at, str_from((const char *)&big, sizeof(big)));
		return;
	case DB_KIND_BOOL:
		put_bytes(at, str_from(&boolean, 1));
		return;
	case DB_KIND_NULL:
	case DB_KIND_TEXT_ARRAY:
	case DB_KIND_INT_ARRAY:
		break;
	}
	put_u32(at, UINT32_MAX); /* NULL */
}

/* A row of some write, with where that write's positions begin, behind the newest one before the group's. */
struct placed_row {
	const struct write_row *row;
	int64_t offset;
};

static struct str encode_column(struct arena *arena, const struct placed_row *rows, size_t count,
	size_t column, int64_t before, Oid array_type)
{
	size_t size = 20;
	for (size_t i = 0; i < count; i++) {
		size += 4 + MAX_OF(rows[i].row->values[column].text.n, (size_t)8);
	}
	char *bytes = arena_alloc(arena, size);
	char *at = bytes;
	put_u32(&at, 1);
	put_u32(&at, 1);
	put_u32(&at, element_of(array_type));
	put_u32(&at, (uint32_t)count);
	put_u32(&at, 1);
	for (size_t i = 0; i < count; i++) {
		put_element(&at, &rows[i].row->values[column], before + rows[i].offset);
	}
	return str_from(bytes, (size_t)(at - bytes));
}

/* A value by itself: an element without its length; p == NULL: NULL. */
static struct str encode_scalar(struct arena *arena, const struct placed_row *row, size_t column,
	int64_t before)
{
	const struct db_value *value = &row->row->values[column];
	size_t head = sizeof(uint32_t);
	char *bytes = arena_alloc(arena, head + MAX_OF(value->text.n, (size_t)8));
	char *end = bytes;
	put_element(&end, value, before + row->offset);
	uint32_t length;
	memcpy(&length, bytes, head);
	return str_from(length == UINT32_MAX ? NULL : bytes + head, (size_t)(end - bytes) - head);
}

/* The form in which a statement is sent: that for one row, where it has one. */
static enum stmt_id form_of(enum stmt_id stmt, size_t count)
{
	enum stmt_id one = stmt_table[stmt].one;
	return count == 1 && one != STMT_COUNT ? one : stmt;
}

/* @param before  the newest position before the group's */
static enum err send_statement(struct ctx *ctx, struct pg *pg, enum stmt_id stmt,
	const struct placed_row *rows, size_t count, int64_t before)
{
	enum stmt_id form = form_of(stmt, count);
	size_t columns = (size_t)stmt_table[form].param_count;
	const char **values = ARENA_NEW_ARRAY(ctx->arena, const char *, columns);
	int *lengths = ARENA_NEW_ARRAY(ctx->arena, int, columns);
	int *formats = ARENA_NEW_ARRAY(ctx->arena, int, columns);
	for (size_t i = 0; i < columns; i++) {
		struct str bytes = form != stmt
			? encode_scalar(ctx->arena, rows, i, before)
			: encode_column(ctx->arena, rows, count, i, before, pg->param_types[form][i]);
		values[i] = bytes.p;
		lengths[i] = (int)bytes.n;
		formats[i] = 1;
	}
	const struct pg_params params = {values, lengths, formats, (int)columns};
	return pg_send(ctx, pg, form, &params);
}

/* --- the pipeline ------------------------------------------------------------------------------------------ */

static enum err send_plain(struct ctx *ctx, struct pg *pg, const char *sql)
{
	return PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1) != 0
		? ERR_OK
		: pg_trip_lost(ctx, pg);
}

/* --- the transaction ------------------------------------------------------------------------------------------ */

struct group {
	struct placed_row *rows; /* of all writes, by statement, in order of submission within one */
	size_t row_count;
	size_t first_of[STMT_COUNT + 1]; /* rows of statement s: first_of[s] … first_of[s + 1] */
	size_t advances; /* of STMT_ROOM_ADVANCE's, how many are left: see fold_advances() */
	int64_t positions;
	int64_t before;      /* the newest position before the group's; -1: the database has to say */
	bool is_alone;       /* nobody else takes positions, as far as is known */
	struct str news;     /* for other processes */
	int64_t deadline_ms; /* monotonic; of all round trips together */
};

/* Columns of room_advance. */
enum { ADVANCE_ROOM, ADVANCE_BEFORE, ADVANCE_AFTER };

static size_t rows_of(const struct group *group, enum stmt_id stmt)
{
	return group->first_of[stmt + 1] - group->first_of[stmt];
}

static enum err check_row(struct ctx *ctx, const struct write_row *row)
{
	for (size_t i = 0; i < row->count; i++) {
		const struct db_value *value = &row->values[i];
		if (value->kind == DB_KIND_TEXT && value->text.n > 0 &&
			memchr(value->text.p, '\0', value->text.n) != NULL) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"A text contains the character U+0000, which cannot be stored");
		}
	}
	return ERR_OK;
}

/* Of which statements a row is one: a message in a group with identity keys also of what holds devices, which are its first two columns. */
static size_t stmts_of(const struct write_row *row, bool holds_devices, enum stmt_id out[2])
{
	out[0] = row->stmt;
	out[1] = STMT_DEVICE_HOLD;
	return holds_devices && row->stmt == STMT_DEVICE_MESSAGE_INSERT ? 2 : 1;
}

static bool has_rows_of(struct write *const *writes, size_t count, enum stmt_id stmt)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < writes[i]->rows.n; k++) {
			if (writes[i]->rows.p[k].stmt == stmt) {
				return true;
			}
		}
	}
	return false;
}

/* Sorts the rows by statement (counting sort, stable). */
static enum err gather(struct ctx *ctx, struct write *const *writes, size_t count,
	struct group *group)
{
	memset(group, 0, sizeof(*group));
	bool holds_devices = has_rows_of(writes, count, STMT_DEVICE_HOLD);
	enum stmt_id stmts[2];
	for (size_t i = 0; i < count; i++) {
		group->positions += (int64_t)writes[i]->positions;
		for (size_t k = 0; k < writes[i]->rows.n; k++) {
			TRY(check_row(ctx, &writes[i]->rows.p[k]));
			for (size_t n = stmts_of(&writes[i]->rows.p[k], holds_devices, stmts); n > 0; n--) {
				group->first_of[stmts[n - 1] + 1]++;
				group->row_count++;
			}
		}
	}
	size_t next[STMT_COUNT + 1];
	for (size_t s = 0; s < STMT_COUNT; s++) {
		group->first_of[s + 1] += group->first_of[s];
		next[s] = group->first_of[s];
	}
	group->rows = ARENA_NEW_ARRAY(ctx->arena, struct placed_row, group->row_count);
	int64_t offset = 1;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < writes[i]->rows.n; k++) {
			const struct write_row *row = &writes[i]->rows.p[k];
			for (size_t n = stmts_of(row, holds_devices, stmts); n > 0; n--) {
				group->rows[next[stmts[n - 1]]++] = (struct placed_row){row, offset};
			}
		}
		offset += (int64_t)writes[i]->positions;
	}
	return ERR_OK;
}

/* By rooms, in each as its events follow each other. */
static int compare_advances(const void *a, const void *b)
{
	const struct db_value *x = ((const struct placed_row *)a)->row->values;
	const struct db_value *y = ((const struct placed_row *)b)->row->values;
	size_t column =
		x[ADVANCE_ROOM].integer == y[ADVANCE_ROOM].integer ? ADVANCE_BEFORE : ADVANCE_ROOM;
	return (x[column].integer > y[column].integer) - (x[column].integer < y[column].integer);
}

static bool follows(const struct placed_row *row, const struct placed_row *next)
{
	const struct db_value *here = row->row->values;
	const struct db_value *there = next->row->values;
	return here[ADVANCE_ROOM].integer == there[ADVANCE_ROOM].integer &&
		here[ADVANCE_AFTER].integer == there[ADVANCE_BEFORE].integer;
}

/* The last step of some, from where the first one began. */
static struct placed_row fold(struct arena *arena, const struct placed_row *first,
	const struct placed_row *last)
{
	struct write_row *row = ARENA_NEW(arena, struct write_row);
	struct db_value *values = ARENA_NEW_ARRAY(arena, struct db_value, last->row->count);
	*row = *last->row;
	memcpy(values, last->row->values, row->count * sizeof(*values));
	values[ADVANCE_BEFORE] = first->row->values[ADVANCE_BEFORE];
	row->values = values;
	return (struct placed_row){row, last->offset};
}

/* A room goes on by all its events at once. What does not follow the one before stays a row of its own, which fails. */
static void fold_advances(struct arena *arena, struct group *group)
{
	struct placed_row *rows = group->rows + group->first_of[STMT_ROOM_ADVANCE];
	size_t count = rows_of(group, STMT_ROOM_ADVANCE);
	qsort(rows, count, sizeof(*rows), compare_advances);
	size_t kept = 0;
	for (size_t first = 0, next; first < count; first = next) {
		for (next = first + 1; next < count && follows(&rows[next - 1], &rows[next]); next++) {
		}
		rows[kept++] = next - first == 1 ? rows[first] : fold(arena, &rows[first], &rows[next - 1]);
	}
	group->advances = kept;
}

static enum stmt_id head_of(const struct group *group)
{
	return group->before >= 0 ? STMT_STREAM_ADVANCE_KNOWN
		: group->is_alone     ? STMT_STREAM_TAKE
							  : STMT_STREAM_ADVANCE;
}

/* How many rows are sent of a statement. */
static size_t sent_of(const struct group *group, enum stmt_id stmt)
{
	return stmt == STMT_ROOM_ADVANCE ? group->advances : rows_of(group, stmt);
}

static enum err prepare_all(struct ctx *ctx, struct pg *pg, const struct group *group)
{
	TRY(pg_prepare(ctx, pg, head_of(group)));
	for (size_t s = 0; s < STMT_COUNT; s++) {
		size_t n = sent_of(group, (enum stmt_id)s);
		if (n > 0) {
			TRY(pg_prepare(ctx, pg, form_of((enum stmt_id)s, n)));
		}
	}
	return ERR_OK;
}

/* The positions, the mark. */
static enum err send_head(struct ctx *ctx, struct pg *pg, const struct group *group,
	const struct write_marks *marks)
{
	struct pg_params params;
	struct db_args args = DB_ARGS(db_bigint(group->positions), db_bigint(marks->writer_id),
		db_bigint(marks->serial), db_text(group->news), db_bigint(group->before));
	args.count = (size_t)stmt_table[head_of(group)].param_count; /* all but the last one */
	TRY(pg_encode(ctx, ctx->arena, args, &params));
	return pg_send(ctx, pg, head_of(group), &params);
}

static enum err send_rows(struct ctx *ctx, struct pg *pg, const struct group *group)
{
	for (size_t s = 0; s < STMT_COUNT; s++) {
		size_t n = sent_of(group, (enum stmt_id)s);
		if (n > 0) {
			TRY(send_statement(ctx, pg, (enum stmt_id)s, group->rows + group->first_of[s], n,
				group->before));
		}
	}
	return ERR_OK;
}

/* @param out_placed  whether the group got positions: then `before` is what was before them */
static enum err read_head(struct ctx *ctx, struct pg *pg, struct group *group, bool *out_placed)
{
	PGresult *result = NULL;
	enum err err = pg_trip_read(ctx, pg, group->deadline_ms, &result);
	*out_placed = result != NULL;
	if (err != ERR_OK || result == NULL) {
		PQclear(result);
		return err != ERR_OK ? err : fail_cause(ctx, ERR_INTERNAL, "stream_head has no row");
	}
	group->before = db_int(pg_rows(ctx, result), 0, 0) - group->positions;
	return ERR_OK;
}

/* Two round trips. `*out_sent`: from here on the outcome has to be asked for if the connection breaks. */
static enum err ask_and_run(struct ctx *ctx, struct pg *pg, struct group *group,
	const struct write_marks *marks, bool *out_sent)
{
	bool is_placed;
	TRY(send_plain(ctx, pg, "BEGIN"));
	TRY(send_head(ctx, pg, group, marks));
	TRY(pg_trip_end(ctx, pg));
	TRY(read_head(ctx, pg, group, &is_placed));
	TRY(send_rows(ctx, pg, group));
	*out_sent = true;
	TRY(send_plain(ctx, pg, "COMMIT"));
	TRY(pg_trip_end(ctx, pg));
	return pg_trip_read(ctx, pg, group->deadline_ms, NULL);
}

/* One round trip: what lies before its end is one transaction. `before` becomes -1 when it was not so, or the head is not this writer's. */
static enum err run_at_once(struct ctx *ctx, struct pg *pg, struct group *group,
	const struct write_marks *marks, bool *out_sent)
{
	bool is_placed;
	TRY(send_head(ctx, pg, group, marks));
	TRY(send_rows(ctx, pg, group));
	*out_sent = true;
	TRY(pg_trip_end(ctx, pg));
	enum err err = read_head(ctx, pg, group, &is_placed);
	if (err == ERR_CONFLICT && !is_placed) {
		group->before = -1;
	}
	return err;
}

static void roll_back(struct pg *pg)
{
	if (pg->conn == NULL) {
		return;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (PQexitPipelineMode(pg->conn) == 0 ||
		(PQtransactionStatus(pg->conn) != PQTRANS_IDLE &&
			pg_exec(&ctx, pg, "ROLLBACK", 2000) != ERR_OK)) {
		pg_close(pg);
	}
}

enum err write_outcome(struct ctx *ctx, struct pg *pg, struct write_marks *marks,
	bool *out_committed)
{
	PGresult *result = NULL;
	TRY(pg_ensure(ctx, pg));
	TRY(pg_run(ctx, pg, STMT_WRITER_MARK_ASK,
		DB_ARGS(db_bigint(marks->writer_id), db_bigint(marks->serial)), &result));
	*out_committed = db_is_true(pg_rows(ctx, result), 0, 0);
	marks->serial += *out_committed ? 0 : 1;
	return ERR_OK;
}

/* The same over a new connection, for a while. Errors: STORE when nobody could say in time. */
static enum err ask_outcome(struct ctx *ctx, struct pg *pg, struct write_marks *marks,
	bool *out_committed)
{
	int64_t deadline_ms = clock_os_ms() + OUTCOME_WAIT_MS;
	while (clock_os_ms() < deadline_ms) {
		if (write_outcome(ctx, pg, marks, out_committed) == ERR_OK) {
			return ERR_OK;
		}
		clock_os_pause(OUTCOME_PAUSE_MS);
	}
	return fail_cause(ctx, ERR_STORE, "the database broke off during a commit");
}

static enum err run_pipeline(struct ctx *ctx, struct pg *pg, struct group *group,
	struct write_marks *marks, bool *out_sent)
{
	*out_sent = false;
	marks->serial++;
	if (PQenterPipelineMode(pg->conn) == 0) {
		return pg_trip_lost(ctx, pg);
	}
	TRY(group->before >= 0 ? run_at_once(ctx, pg, group, marks, out_sent)
						   : ask_and_run(ctx, pg, group, marks, out_sent));
	if (PQexitPipelineMode(pg->conn) == 0) {
		pg_close(pg); /* it has committed all the same */
	}
	return ERR_OK;
}

/* A group that was refused because others have taken positions, or the head, is tried once more. */
static enum err run_group(struct ctx *ctx, struct pg *pg, struct group *group,
	struct write_marks *marks, bool *out_sent)
{
	bool was_known = group->before >= 0;
	enum err err = run_pipeline(ctx, pg, group, marks, out_sent);
	if (err == ERR_CONFLICT && was_known && group->before < 0) {
		marks->has_head = false;
		roll_back(pg);
		TRY(pg_ensure(ctx, pg));
		TRY(prepare_all(ctx, pg, group));
		err = run_pipeline(ctx, pg, group, marks, out_sent);
	}
	marks->has_head = marks->has_head || (err == ERR_OK && group->is_alone);
	return err;
}

enum err write_group(struct ctx *ctx, struct pg *pg, struct write_marks *marks,
	struct write *const *writes, size_t count, int64_t before, struct write_result *out)
{
	struct group group;
	bool commit_sent = false;
	*out = (struct write_result){0};
	TRY(gather(ctx, writes, count, &group));
	fold_advances(ctx->arena, &group);
	group.news =
		news_write(ctx->arena, marks->writer_id, writes, count, &group.positions, &out->kinds);
	group.is_alone = before >= 0;
	group.before = marks->has_head ? before : -1;
	TRY(pg_ensure(ctx, pg));
	TRY(prepare_all(ctx, pg, &group));
	group.deadline_ms = clock_os_ms() + GROUP_TIMEOUT_MS;
	enum err err = run_group(ctx, pg, &group, marks, &commit_sent);
	out->before = group.before;
	out->position = group.before + group.positions;
	if (err == ERR_OK) {
		return ERR_OK;
	}
	bool is_broken = pg->conn == NULL || PQstatus(pg->conn) != CONNECTION_OK;
	roll_back(pg);
	if (!commit_sent || !is_broken) {
		return err;
	}
	bool committed = false;
	enum err asked = ask_outcome(ctx, pg, marks, &committed);
	out->is_unknown = asked != ERR_OK;
	return asked == ERR_OK && committed ? ERR_OK : err;
}
