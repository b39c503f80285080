/*
 * One transaction for a group of writes.
 *
 * Round trip 1: BEGIN, and the positions (whose row lock orders all processes). Round trip 2: each statement once, with
 * the rows of all writes as arrays, then COMMIT. When the connection breaks after COMMIT was sent, the mark that the
 * transaction set tells afterwards whether it happened.
 */
#include "storage/write.h"

#include "base/clock.h"
#include "matrix/errcode.h"

#include <endian.h>
#include <string.h>
#include <time.h>

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

/* A row of some write, with where that write's positions begin. */
struct placed_row {
	const struct write_row *row;
	int64_t first_position;
};

static struct str encode_column(struct arena *arena, const struct placed_row *rows, size_t count,
	size_t column, Oid array_type)
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
		put_element(&at, &rows[i].row->values[column], rows[i].first_position);
	}
	return str_from(bytes, (size_t)(at - bytes));
}

static enum err send_statement(struct ctx *ctx, struct pg *pg, enum stmt_id stmt,
	const struct placed_row *rows, size_t count)
{
	size_t columns = (size_t)stmt_table[stmt].param_count;
	const char **values = ARENA_NEW_ARRAY(ctx->arena, const char *, columns);
	int *lengths = ARENA_NEW_ARRAY(ctx->arena, int, columns);
	int *formats = ARENA_NEW_ARRAY(ctx->arena, int, columns);
	for (size_t i = 0; i < columns; i++) {
		struct str array = encode_column(ctx->arena, rows, count, i, pg->param_types[stmt][i]);
		values[i] = array.p;
		lengths[i] = (int)array.n;
		formats[i] = 1;
	}
	const struct pg_params params = {values, lengths, formats, (int)columns};
	return pg_send(ctx, pg, stmt, &params);
}

/* --- the pipeline ------------------------------------------------------------------------------------------ */

static enum err lost(struct ctx *ctx, struct pg *pg)
{
	enum err err = pg_fail(ctx, pg, NULL);
	pg_close(pg);
	return err == ERR_STORE ? err : fail_cause(ctx, ERR_STORE, "the database connection broke");
}

static enum err send_plain(struct ctx *ctx, struct pg *pg, const char *sql)
{
	return PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1) != 0 ? ERR_OK
																			   : lost(ctx, pg);
}

static enum err end_trip(struct ctx *ctx, struct pg *pg)
{
	return PQpipelineSync(pg->conn) != 0 ? ERR_OK : lost(ctx, pg);
}

/*
 * Reads everything up to the sync point. The first failure counts.
 * @param out_row  may be NULL; the result that has rows, last
 */
static enum err read_trip(struct ctx *ctx, struct pg *pg, int64_t deadline_ms, PGresult **out_row)
{
	enum err err = ERR_OK;
	for (;;) {
		PGresult *result = NULL;
		TRY(pg_result(ctx, pg, deadline_ms, &result));
		if (result == NULL) {
			if (PQstatus(pg->conn) != CONNECTION_OK) {
				return lost(ctx, pg);
			}
			continue; /* between two statements */
		}
		ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			return err;
		}
		bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
			status == PGRES_PIPELINE_ABORTED;
		if (!ok && err == ERR_OK) {
			err = pg_fail(ctx, pg, result);
		}
		if (status == PGRES_TUPLES_OK && out_row != NULL) {
			PQclear(*out_row);
			*out_row = result;
		} else {
			PQclear(result);
		}
	}
}

/* --- the transaction ------------------------------------------------------------------------------------------ */

struct group {
	struct placed_row *rows; /* of all writes, by statement, in order of submission within one */
	size_t row_count;
	size_t first_of[STMT_COUNT + 1]; /* rows of statement s: first_of[s] … first_of[s + 1] */
	int64_t positions;
	struct str news;     /* for other processes */
	int64_t deadline_ms; /* monotonic; of both round trips together */
};

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

/* Sorts the rows by statement (counting sort, stable). */
static enum err gather(struct ctx *ctx, struct write *const *writes, size_t count,
	struct group *group)
{
	memset(group, 0, sizeof(*group));
	for (size_t i = 0; i < count; i++) {
		group->positions += (int64_t)writes[i]->positions;
		for (size_t k = 0; k < writes[i]->rows.n; k++) {
			TRY(check_row(ctx, &writes[i]->rows.p[k]));
			group->first_of[writes[i]->rows.p[k].stmt + 1]++;
			group->row_count++;
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
			group->rows[next[row->stmt]++] = (struct placed_row){row, offset};
		}
		offset += (int64_t)writes[i]->positions;
	}
	return ERR_OK;
}

static enum err prepare_all(struct ctx *ctx, struct pg *pg, const struct group *group)
{
	TRY(pg_prepare(ctx, pg, STMT_STREAM_ADVANCE));
	for (size_t s = 0; s < STMT_COUNT; s++) {
		if (group->first_of[s + 1] > group->first_of[s]) {
			TRY(pg_prepare(ctx, pg, (enum stmt_id)s));
		}
	}
	return ERR_OK;
}

/* BEGIN, the positions, the mark. */
static enum err begin(struct ctx *ctx, struct pg *pg, const struct group *group,
	const struct write_marks *marks, int64_t *out_position)
{
	struct pg_params params;
	TRY(pg_encode(ctx,
		DB_ARGS(db_bigint(group->positions), db_bigint(marks->writer_id), db_bigint(marks->serial),
			db_text(group->news)),
		&params));
	TRY(send_plain(ctx, pg, "BEGIN"));
	TRY(pg_send(ctx, pg, STMT_STREAM_ADVANCE, &params));
	TRY(end_trip(ctx, pg));
	PGresult *result = NULL;
	enum err err = read_trip(ctx, pg, group->deadline_ms, &result);
	if (err != ERR_OK) {
		PQclear(result);
		return err;
	}
	if (result == NULL) {
		return fail_cause(ctx, ERR_INTERNAL, "stream_head has no row");
	}
	const struct db_rows *rows = pg_rows(ctx, result);
	*out_position = db_int(rows, 0, 0);
	return ERR_OK;
}

/* The statements and COMMIT. `*out_sent`: from here on the outcome has to be asked for if the connection breaks. */
static enum err finish(struct ctx *ctx, struct pg *pg, struct group *group, int64_t position,
	bool *out_sent)
{
	int64_t before = position - group->positions;
	for (size_t i = 0; i < group->row_count; i++) {
		group->rows[i].first_position += before;
	}
	for (size_t s = 0; s < STMT_COUNT; s++) {
		size_t n = group->first_of[s + 1] - group->first_of[s];
		if (n > 0) {
			TRY(send_statement(ctx, pg, (enum stmt_id)s, group->rows + group->first_of[s], n));
		}
	}
	*out_sent = true;
	TRY(send_plain(ctx, pg, "COMMIT"));
	TRY(end_trip(ctx, pg));
	return read_trip(ctx, pg, group->deadline_ms, NULL);
}

static void roll_back(struct pg *pg)
{
	if (pg->conn == NULL) {
		return;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (PQexitPipelineMode(pg->conn) == 0 || pg_exec(&ctx, pg, "ROLLBACK", 2000) != ERR_OK) {
		pg_close(pg);
	}
}

enum err write_outcome(struct ctx *ctx, struct pg *pg, const struct write_marks *marks,
	bool *out_committed)
{
	PGresult *result = NULL;
	TRY(pg_ensure(ctx, pg));
	TRY(pg_run(ctx, pg, STMT_WRITER_MARK_ASK, DB_ARGS(db_bigint(marks->writer_id)), &result));
	*out_committed = db_int(pg_rows(ctx, result), 0, 0) == marks->serial;
	return ERR_OK;
}

/* The same over a new connection, for a while. Errors: STORE when nobody could say in time. */
static enum err ask_outcome(struct ctx *ctx, struct pg *pg, const struct write_marks *marks,
	bool *out_committed)
{
	int64_t deadline_ms = clock_mono_us() / 1000 + OUTCOME_WAIT_MS;
	while (clock_mono_us() / 1000 < deadline_ms) {
		if (write_outcome(ctx, pg, marks, out_committed) == ERR_OK) {
			return ERR_OK;
		}
		const struct timespec pause = {.tv_nsec = 50 * 1000000L};
		(void)nanosleep(&pause, NULL);
	}
	return fail_cause(ctx, ERR_STORE, "the database broke off during a commit");
}

static enum err run_pipeline(struct ctx *ctx, struct pg *pg, struct group *group,
	const struct write_marks *marks, int64_t *out_position, bool *out_sent)
{
	if (PQenterPipelineMode(pg->conn) == 0) {
		return lost(ctx, pg);
	}
	TRY(begin(ctx, pg, group, marks, out_position));
	TRY(finish(ctx, pg, group, *out_position, out_sent));
	if (PQexitPipelineMode(pg->conn) == 0) {
		pg_close(pg); /* it has committed all the same */
	}
	return ERR_OK;
}

enum err write_group(struct ctx *ctx, struct pg *pg, struct write_marks *marks,
	struct write *const *writes, size_t count, struct write_result *out)
{
	struct group group;
	bool commit_sent = false;
	*out = (struct write_result){0};
	TRY(gather(ctx, writes, count, &group));
	group.news = news_write(ctx->arena, marks->writer_id, writes, count, &group.positions);
	TRY(pg_ensure(ctx, pg));
	TRY(prepare_all(ctx, pg, &group));
	group.deadline_ms = clock_mono_us() / 1000 + GROUP_TIMEOUT_MS;
	marks->serial++;
	enum err err = run_pipeline(ctx, pg, &group, marks, &out->position, &commit_sent);
	out->before = out->position - group.positions;
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
