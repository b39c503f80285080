/*
 * One connection: asynchronous sending with a deadline on every answer, so that a database that hangs
 * costs bounded time; binary parameters and results.
 */
#include "storage/pg.h"

#include "base/clock.h"
#include "base/mem.h"
#include "matrix/errcode.h"
#include "storage/fence.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
	SETTING_TIMEOUT_MS = 3000,
	HANGS_MS = 2000,     /* who is refused for another reason is refused sooner */
	ATTEMPTS = 3,        /* of a statement that was rolled back, as each deadlock takes a second */
	FENCE_LOOK_MS = 500, /* how often who waits for an answer looks whether the fence was raised */
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_TEXT = 25
};

void pg_init(struct pg *pg, struct str url, int64_t statement_timeout_ms)
{
	*pg = (struct pg){.url = url, .statement_timeout_ms = statement_timeout_ms};
}

void pg_close(struct pg *pg)
{
	if (pg->conn != NULL) {
		PQfinish(pg->conn);
	}
	pg->conn = NULL;
	pg->was_rolled_back = false; /* whatever it was: now the connection is what is missing */
	arena_destroy(pg->params);
	pg->params = NULL;
	for (size_t i = 0; i < STMT_COUNT; i++) {
		mem_free(pg->param_types[i]);
		pg->param_types[i] = NULL;
		pg->prepared[i] = false;
	}
}

/* The message of libpq without its line ends. */
static struct str message_of(struct ctx *ctx, const char *message)
{
	char *copy = str_cstr(ctx->arena, str_trim(str_of(message)));
	for (char *p = copy; *p != '\0'; p++) {
		if (*p == '\n') {
			*p = ' ';
		}
	}
	return str_of(copy);
}

static enum err connection_lost(struct ctx *ctx, struct pg *pg)
{
	struct str text = message_of(ctx, pg->conn != NULL ? PQerrorMessage(pg->conn) : "");
	pg_close(pg);
	return fail_cause(ctx, ERR_STORE, "database connection: %.*s", STR_ARG(text));
}

static void ignore_notice(void *self, const PGresult *result)
{
	(void)self;
	(void)result;
}

/* What can be read from an idle connection is a notification, or the server's farewell, with the end behind it. */
static bool is_alive(const struct pg *pg)
{
	while (pg->conn != NULL && PQstatus(pg->conn) == CONNECTION_OK) {
		struct pollfd fd = {.fd = PQsocket(pg->conn), .events = POLLIN};
		if (poll(&fd, 1, 0) == 0) {
			return true;
		}
		if (PQconsumeInput(pg->conn) == 0) {
			return false;
		}
		(void)PQisBusy(pg->conn); /* reads what has come */
	}
	return false;
}

/*
 * What holds unless the connection string says otherwise: of several servers the one that takes writes; each is given up after three seconds;
 * and a machine that has gone without a word is missed within about ten.
 */
static const char *const default_keys[] = {"target_session_attrs", "connect_timeout",
	"tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count"};
static const char *const default_values[] = {"read-write", "3", "8000", "5", "2", "2"};

PGconn *pg_connect(struct ctx *ctx, struct str url, struct pg_server only)
{
	enum { DEFAULTS = COUNT_OF(default_keys), OWN = 6 };
	const char *keys[DEFAULTS + OWN + 1];
	const char *values[DEFAULTS + OWN + 1];
	memcpy(keys, default_keys, sizeof(default_keys));
	memcpy(values, default_values, sizeof(default_values));
	/* The first "dbname" is taken for a connection string. What stands behind it counts whatever that says, unless it is empty. */
	const char *own_keys[] = {"dbname", "application_name", "client_encoding", "host", "hostaddr",
		"port", NULL};
	const char *own_values[] = {str_cstr(ctx->arena, url), "belfry", "UTF8", only.host,
		only.address, only.port, NULL};
	memcpy(keys + DEFAULTS, own_keys, sizeof(own_keys));
	memcpy(values + DEFAULTS, own_values, sizeof(own_values));
	return PQconnectdbParams(keys, values, 1);
}

/*
 * Settings, and who is listened to. Statements rather than options of the connection, which PgBouncer refuses. A plan is made once and for all
 * arguments: that saves making it, and of one that is made for a room which the statistics do not know PostgreSQL expects a single row, so that any
 * index will do (tests/plans).
 */
static enum err set_up(struct ctx *ctx, struct pg *pg)
{
	const char *listen =
		pg->channel != NULL ? arena_printf(ctx->arena, "; LISTEN %s", pg->channel) : "";
	enum err err = pg_exec(ctx, pg,
		arena_printf(ctx->arena,
			"SET statement_timeout = %lld; SET jit = off; SET plan_cache_mode = force_generic_plan%s",
			(long long)pg->statement_timeout_ms, listen),
		SETTING_TIMEOUT_MS);
	if (err != ERR_OK) {
		pg_close(pg); /* one that hears nothing is none */
	}
	return err;
}

static bool is_fenced_off(const struct pg *pg)
{
	return pg->fence != NULL && fence_moves(pg->fence) != pg->moves_seen;
}

/* @param out_is_old  it leads to a server that must not be used any more */
static enum err open_one(struct ctx *ctx, struct pg *pg, struct pg_server only, bool *out_is_old)
{
	pg_close(pg);
	*out_is_old = false;
	pg->conn = pg_connect(ctx, pg->url, only);
	if (PQstatus(pg->conn) != CONNECTION_OK || PQsetnonblocking(pg->conn, 1) != 0) {
		return connection_lost(ctx, pg);
	}
	(void)PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
	pg->connections++;
	TRY(set_up(ctx, pg));
	return pg->fence != NULL ? fence_judge(ctx, pg->fence, pg, out_is_old) : ERR_OK;
}

/* The first server that takes writes; when that is an old one, the newest. */
static enum err open_newest(struct ctx *ctx, struct pg *pg)
{
	bool is_old;
	TRY(open_one(ctx, pg, (struct pg_server){0}, &is_old));
	if (!is_old) {
		return ERR_OK;
	}
	const char *old = arena_printf(ctx->arena, "%s:%s", PQhost(pg->conn), PQport(pg->conn));
	struct pg_server newest = fence_newest(ctx, pg->fence);
	enum err err = open_one(ctx, pg, newest, &is_old);
	if (err == ERR_OK && !is_old) {
		return ERR_OK;
	}
	/* Whoever reads this may have to choose between the two. */
	struct str why = err == ERR_OK ? STR("it is older itself") : ctx->fault.cause;
	return fail_cause(ctx, ERR_STORE,
		"the server at %s takes writes, but the one at %s:%s has taken over from it: %.*s", old,
		newest.host, newest.port, STR_ARG(why));
}

enum err pg_ensure(struct ctx *ctx, struct pg *pg)
{
	if (!is_fenced_off(pg) && is_alive(pg)) {
		return ERR_OK;
	}
	int64_t start_ms = clock_os_ms();
	pg->moves_seen = pg->fence != NULL ? fence_moves(pg->fence) : 0;
	enum err err = open_newest(ctx, pg);
	if (err != ERR_OK) {
		pg_close(pg);
		if (pg->speaks_for_all && pg->fence != NULL && clock_os_ms() - start_ms >= HANGS_MS) {
			fence_raise(pg->fence);
		}
	}
	return err;
}

struct str pg_notification(struct ctx *ctx, struct pg *pg)
{
	PGnotify *notify = pg->conn != NULL ? PQnotifies(pg->conn) : NULL;
	if (notify == NULL) {
		return str_from(NULL, 0);
	}
	struct str text = str_dup(ctx->arena, str_of(notify->extra));
	PQfreemem(notify);
	return text;
}

/* --- answers ---------------------------------------------------------------------------------------- */

/* Waits until the connection can be read (or, when there is something to send, written), or it is time to look around. */
static enum err wait_socket(struct ctx *ctx, struct pg *pg, bool wants_write, int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - clock_os_ms();
	struct pollfd fd = {.fd = PQsocket(pg->conn),
		.events = (short)(POLLIN | (wants_write ? POLLOUT : 0))};
	int64_t rest_ms = pg->fence != NULL ? (int64_t)FENCE_LOOK_MS : (int64_t)INT32_MAX;
	int ready = left_ms <= 0 ? 0 : poll(&fd, 1, (int)MIN_OF(left_ms, rest_ms));
	if (ready == 0 && left_ms <= rest_ms) {
		pg_close(pg);
		return fail_cause(ctx, ERR_STORE, "the database did not answer in time");
	}
	if (ready < 0 && errno != EINTR) {
		return connection_lost(ctx, pg);
	}
	return ERR_OK;
}

/* What a server says that was given up meanwhile is not heard: it may have acknowledged what the newest one does not know. */
static enum err pass_fence(struct ctx *ctx, struct pg *pg)
{
	if (!is_fenced_off(pg)) {
		return ERR_OK;
	}
	pg_close(pg);
	return fail_cause(ctx, ERR_STORE, "the database hangs, or has moved");
}

enum err pg_result(struct ctx *ctx, struct pg *pg, int64_t deadline_mono_ms, PGresult **out)
{
	for (;;) {
		int unsent = PQflush(pg->conn);
		if (unsent < 0) {
			return connection_lost(ctx, pg);
		}
		if (unsent == 0 && PQisBusy(pg->conn) == 0) {
			break;
		}
		TRY(wait_socket(ctx, pg, unsent > 0, deadline_mono_ms));
		TRY(pass_fence(ctx, pg));
		if (PQconsumeInput(pg->conn) == 0) {
			return connection_lost(ctx, pg);
		}
	}
	TRY(pass_fence(ctx, pg));
	*out = PQgetResult(pg->conn);
	return ERR_OK;
}

/* Of a transaction that met another: nothing is wrong with it, and nothing was done. */
static bool is_rollback(struct str state)
{
	return str_starts_with(state, STR("40")) && !str_equals(state, STR(PG_OUTCOME_UNKNOWN));
}

/* SQLSTATE → kind. */
static enum err kind_of(struct str state)
{
	if (str_equals(state, STR("23503"))) {
		return ERR_MISSING; /* what the row belongs to is gone */
	}
	if (str_starts_with(state, STR("21")) || str_starts_with(state, STR("23")) ||
		str_equals(state, STR("22012"))) {
		return ERR_CONFLICT; /* a row twice, the other constraints, and the checks of write.sql */
	}
	if (str_starts_with(state, STR("08")) || str_starts_with(state, STR("57")) ||
		str_starts_with(state, STR("53")) || str_starts_with(state, STR("58")) ||
		str_starts_with(state, STR("25006")) || str_starts_with(state, STR("40")) || state.n == 0) {
		return ERR_STORE; /* connection, shutdown and time limit, resources, system, read-only */
	}
	return ERR_INTERNAL;
}

enum err pg_fail(struct ctx *ctx, struct pg *pg, const PGresult *result)
{
	const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	pg->was_rolled_back = is_rollback(str_of(state));
	const char *text = result != NULL ? PQresultErrorMessage(result)
		: pg->conn != NULL            ? PQerrorMessage(pg->conn)
									  : "no connection";
	enum err err = kind_of(str_of(state));
	return fail_cause(ctx, err, "%s %.*s", state != NULL ? state : "-",
		STR_ARG(message_of(ctx, text)));
}

int64_t pg_deadline_ms(const struct ctx *ctx, int64_t timeout_ms)
{
	int64_t deadline_ms = clock_os_ms() + timeout_ms;
	return ctx->deadline_ms != 0 ? MIN_OF(deadline_ms, ctx->deadline_ms) : deadline_ms;
}

/* Reads all results of what was sent; the first failure counts: one may come behind a result, of what is checked at the commit. */
static enum err drain(struct ctx *ctx, struct pg *pg, int64_t timeout_ms, PGresult **out_first)
{
	int64_t deadline_ms = pg_deadline_ms(ctx, timeout_ms);
	PGresult *first = NULL;
	enum err err = ERR_OK;
	for (;;) {
		PGresult *result = NULL;
		enum err got = pg_result(ctx, pg, deadline_ms, &result);
		if (got != ERR_OK) {
			PQclear(first);
			return got;
		}
		if (result == NULL) {
			break;
		}
		ExecStatusType status = PQresultStatus(result);
		if (err == ERR_OK && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
			err = pg_fail(ctx, pg, result);
		}
		if (first == NULL) {
			first = result;
		} else {
			PQclear(result);
		}
	}
	if (err != ERR_OK || out_first == NULL) {
		PQclear(first);
		return err;
	}
	*out_first = first;
	return ERR_OK;
}

enum err pg_exec(struct ctx *ctx, struct pg *pg, const char *sql, int64_t timeout_ms)
{
	if (PQsendQuery(pg->conn, sql) == 0) {
		return connection_lost(ctx, pg);
	}
	return drain(ctx, pg, timeout_ms, NULL);
}

enum err pg_query_text(struct ctx *ctx, struct pg *pg, const char *sql, int64_t timeout_ms,
	struct str *out)
{
	if (PQsendQuery(pg->conn, sql) == 0) {
		return connection_lost(ctx, pg);
	}
	PGresult *result = NULL;
	TRY(drain(ctx, pg, timeout_ms, &result));
	*out = str_from(NULL, 0);
	if (PQntuples(result) > 0 && PQgetisnull(result, 0, 0) == 0) {
		*out = str_dup(ctx->arena, str_of(PQgetvalue(result, 0, 0)));
	}
	PQclear(result);
	return ERR_OK;
}

/* --- statements ---------------------------------------------------------------------------------------- */

enum err pg_prepare(struct ctx *ctx, struct pg *pg, enum stmt_id stmt)
{
	if (pg->prepared[stmt]) {
		return ERR_OK;
	}
	const struct stmt_def *def = &stmt_table[stmt];
	if (PQsendPrepare(pg->conn, def->name, def->sql, 0, NULL) == 0) {
		return connection_lost(ctx, pg);
	}
	TRY(drain(ctx, pg, pg->statement_timeout_ms + 1000, NULL));
	if (PQsendDescribePrepared(pg->conn, def->name) == 0) {
		return connection_lost(ctx, pg);
	}
	PGresult *result = NULL;
	TRY(drain(ctx, pg, pg->statement_timeout_ms + 1000, &result));
	int count = PQnparams(result);
	invariant(count == def->param_count);
	pg->param_types[stmt] = mem_alloc_array((size_t)count, sizeof(Oid));
	for (int i = 0; i < count; i++) {
		pg->param_types[stmt][i] = PQparamtype(result, i);
	}
	PQclear(result);
	pg->prepared[stmt] = true;
	return ERR_OK;
}

enum err pg_send(struct ctx *ctx, struct pg *pg, enum stmt_id stmt, const struct pg_params *params)
{
	if (PQsendQueryPrepared(pg->conn, stmt_table[stmt].name, params->count, params->values,
			params->lengths, params->formats, 1) == 0) {
		return connection_lost(ctx, pg);
	}
	return ERR_OK;
}

enum err pg_blame(struct ctx *ctx, enum stmt_id stmt, enum err err)
{
	if (err == ERR_INTERNAL) {
		ctx->fault.cause =
			str_printf(ctx->arena, "%s: %.*s", stmt_table[stmt].name, STR_ARG(ctx->fault.cause));
	}
	return err;
}

static enum err encode_and_send(struct ctx *ctx, struct pg *pg, enum stmt_id stmt,
	struct db_args args)
{
	struct pg_params params;
	TRY(pg_encode(ctx, pg->params, args, &params));
	TRY(pg_prepare(ctx, pg, stmt));
	return pg_send(ctx, pg, stmt, &params);
}

static enum err run_once(struct ctx *ctx, struct pg *pg, enum stmt_id stmt, struct db_args args,
	PGresult **out)
{
	pg->was_rolled_back = false;
	pg->params = pg->params != NULL ? pg->params : arena_create();
	enum err err = encode_and_send(ctx, pg, stmt, args);
	if (pg->params != NULL) {
		arena_reset(pg->params); /* the next one uses its memory again */
	}
	TRY(err);
	*out = NULL;
	return pg_blame(ctx, stmt, drain(ctx, pg, pg->statement_timeout_ms + 1000, out));
}

bool pg_may_repeat(struct ctx *ctx, const struct pg *pg)
{
	bool may =
		pg->was_rolled_back && pg->conn != NULL && PQtransactionStatus(pg->conn) == PQTRANS_IDLE;
	if (may) {
		ctx->fault = (struct fault){0};
	}
	return may;
}

enum err pg_run(struct ctx *ctx, struct pg *pg, enum stmt_id stmt, struct db_args args,
	PGresult **out)
{
	enum err err = run_once(ctx, pg, stmt, args, out);
	for (int i = 1; i < ATTEMPTS && err != ERR_OK && pg_may_repeat(ctx, pg); i++) {
		err = run_once(ctx, pg, stmt, args, out);
	}
	return err;
}

/* --- parameters ---------------------------------------------------------------------------------------- */

static void put_u32(char **at, uint32_t value)
{
	uint32_t big = htobe32(value);
	memcpy(*at, &big, sizeof(big));
	*at += sizeof(big);
}

static void put_i64(char **at, int64_t value)
{
	uint64_t big = htobe64((uint64_t)value);
	memcpy(*at, &big, sizeof(big));
	*at += sizeof(big);
}

static bool has_nul(struct str text)
{
	return text.n > 0 && memchr(text.p, '\0', text.n) != NULL;
}

static char *array_header(char *at, Oid element_type, size_t count)
{
	put_u32(&at, count == 0 ? 0 : 1);
	put_u32(&at, 1); /* may hold NULLs */
	put_u32(&at, element_type);
	if (count > 0) {
		put_u32(&at, (uint32_t)count);
		put_u32(&at, 1); /* lower bound */
	}
	return at;
}

/* One-dimensional array in PostgreSQL's binary form. */
static struct str encode_texts(struct arena *arena, const struct str *texts, size_t count)
{
	size_t size = 20;
	for (size_t i = 0; i < count; i++) {
		size += 4 + texts[i].n;
	}
	char *bytes = arena_alloc(arena, size);
	char *at = array_header(bytes, OID_TEXT, count);
	for (size_t i = 0; i < count; i++) {
		put_u32(&at, texts[i].p == NULL ? UINT32_MAX : (uint32_t)texts[i].n);
		if (texts[i].p != NULL && texts[i].n > 0) {
			memcpy(at, texts[i].p, texts[i].n);
			at += texts[i].n;
		}
	}
	return str_from(bytes, (size_t)(at - bytes));
}

static struct str encode_bigints(struct arena *arena, const int64_t *values, size_t count)
{
	char *bytes = arena_alloc(arena, 20 + count * 12);
	char *at = array_header(bytes, OID_INT8, count);
	for (size_t i = 0; i < count; i++) {
		put_u32(&at, 8);
		put_i64(&at, values[i]);
	}
	return str_from(bytes, (size_t)(at - bytes));
}

static struct str encode_value(struct arena *arena, const struct db_value *value)
{
	char *bytes;
	char *at;
	switch (value->kind) {
	case DB_KIND_NULL:
		return str_from(NULL, 0);
	case DB_KIND_TEXT:
	case DB_KIND_BYTES:
		return value->text;
	case DB_KIND_POSITION: /* resolved by the writer before */
	case DB_KIND_INT:
		bytes = at = arena_alloc(arena, 8);
		put_i64(&at, value->integer);
		return str_from(bytes, 8);
	case DB_KIND_BOOL:
		bytes = arena_alloc(arena, 1);
		bytes[0] = value->integer != 0;
		return str_from(bytes, 1);
	case DB_KIND_TEXT_ARRAY:
		return encode_texts(arena, value->texts, value->count);
	case DB_KIND_INT_ARRAY:
		return encode_bigints(arena, value->integers, value->count);
	}
	return str_from(NULL, 0);
}

static bool value_has_nul(const struct db_value *value)
{
	if (value->kind == DB_KIND_TEXT) {
		return has_nul(value->text);
	}
	if (value->kind == DB_KIND_TEXT_ARRAY) {
		for (size_t i = 0; i < value->count; i++) {
			if (has_nul(value->texts[i])) {
				return true;
			}
		}
	}
	return false;
}

enum err pg_encode(struct ctx *ctx, struct arena *arena, struct db_args args, struct pg_params *out)
{
	const char **values = ARENA_NEW_ARRAY(arena, const char *, args.count);
	int *lengths = ARENA_NEW_ARRAY(arena, int, args.count);
	int *formats = ARENA_NEW_ARRAY(arena, int, args.count);
	for (size_t i = 0; i < args.count; i++) {
		if (value_has_nul(&args.values[i])) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"A text contains the character U+0000, which cannot be stored");
		}
		struct str bytes = encode_value(arena, &args.values[i]);
		values[i] = bytes.p;
		lengths[i] = (int)bytes.n;
		formats[i] = 1;
	}
	*out = (struct pg_params){values, lengths, formats, (int)args.count};
	return ERR_OK;
}

/* --- results ------------------------------------------------------------------------------------------ */

static void clear_hook(void *data)
{
	PQclear(data);
}

struct db_rows *pg_rows(struct ctx *ctx, PGresult *result)
{
	arena_on_reset(ctx->arena, clear_hook, result);
	return (struct db_rows *)(void *)result;
}

static const PGresult *result_of(const struct db_rows *rows)
{
	return (const PGresult *)(const void *)rows;
}

size_t db_count(const struct db_rows *rows)
{
	return (size_t)PQntuples(result_of(rows));
}

bool db_is_null(const struct db_rows *rows, size_t row, size_t column)
{
	return PQgetisnull(result_of(rows), (int)row, (int)column) != 0;
}

struct str db_str(const struct db_rows *rows, size_t row, size_t column)
{
	if (db_is_null(rows, row, column)) {
		return str_from(NULL, 0);
	}
	return str_from(PQgetvalue(result_of(rows), (int)row, (int)column),
		(size_t)PQgetlength(result_of(rows), (int)row, (int)column));
}

int64_t db_int(const struct db_rows *rows, size_t row, size_t column)
{
	struct str bytes = db_str(rows, row, column);
	uint64_t big;
	uint32_t middle;
	switch (bytes.n) {
	case 0:
		return 0;
	case 1:
		return (unsigned char)bytes.p[0];
	case 4:
		memcpy(&middle, bytes.p, 4);
		return (int32_t)be32toh(middle);
	case 8:
		memcpy(&big, bytes.p, 8);
		return (int64_t)be64toh(big);
	default:
		invariant_failed("the column holds integers", __FILE__, __LINE__);
	}
}

bool db_is_true(const struct db_rows *rows, size_t row, size_t column)
{
	return db_int(rows, row, column) != 0;
}
