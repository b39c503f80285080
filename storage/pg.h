/**
 * One connection to PostgreSQL: what db.c, writer.c and migrate.c share. The only file besides them that
 * knows libpq's types.
 */
#ifndef BELFRY_STORAGE_PG_H
#define BELFRY_STORAGE_PG_H

#include "storage/db.h"

#include <libpq-fe.h>
#include <stdatomic.h>

struct fence;

/** SQLSTATE of a transaction of which nobody can say whether it was carried out, as when the connection breaks. */
#define PG_OUTCOME_UNKNOWN "40003"

struct pg {
	PGconn *conn;
	struct str url; /**< borrowed */
	int64_t statement_timeout_ms;
	const char *channel; /**< notifications that it listens to; NULL: none; static */
	/** Of the servers that take writes the newest alone is used; when it is raised this connection is given up; NULL: neither. */
	struct fence *fence;
	int64_t moves_seen;
	/** When no server lets it in for seconds, the fence is raised: who waits for an answer waits for one that hangs. */
	bool speaks_for_all;
	int64_t
		connections; /**< opened so far: when it has moved, notifications may have been missed */
	bool prepared[STMT_COUNT];
	Oid *param_types[STMT_COUNT]; /**< known once prepared; heap */
	bool was_rolled_back; /**< the failed statement met another transaction: pg_may_repeat() */
	struct arena *params; /**< for those of a statement until it is sent; NULL before the first */
};

void pg_init(struct pg *pg, struct str url, int64_t statement_timeout_ms);
/** Ends the connection and frees; a zeroed one does nothing. Not by another thread than its own. */
void pg_close(struct pg *pg);

/**
 * Connects unless connected; a connection that was found broken is opened anew: of several servers that the connection string names, to the
 * one that takes writes, and is not older than one that was seen before (fence.h). Some round trips on a new connection, else none. Errors: STORE.
 */
MUST_CHECK enum err pg_ensure(struct ctx *ctx, struct pg *pg);

/** One of the servers that a connection string names. */
struct pg_server {
	const char *host;
	const char *address; /**< empty: none (a Unix socket) */
	const char *port;
};

/**
 * libpq's connection, whether or not it came to be; the caller's.
 * @param only  NULL members: of several servers the first that takes writes; each has three seconds
 */
PGconn *pg_connect(struct ctx *ctx, struct str url, struct pg_server only);

/** Prepares a statement on this connection if it is not yet. One round trip the first time. Errors: STORE, INTERNAL. */
MUST_CHECK enum err pg_prepare(struct ctx *ctx, struct pg *pg, enum stmt_id stmt);

/** Parameters in libpq's form, binary. */
struct pg_params {
	const char *const *values;
	const int *lengths;
	const int *formats;
	int count;
};
/**
 * Encodes arguments, in the arena. Errors: INPUT M_INVALID_PARAM when a text contains NUL.
 */
MUST_CHECK enum err pg_encode(struct ctx *ctx, struct arena *arena, struct db_args args,
	struct pg_params *out);

/** Sends a prepared statement. Errors: STORE. */
MUST_CHECK enum err pg_send(struct ctx *ctx, struct pg *pg, enum stmt_id stmt,
	const struct pg_params *params);

/**
 * Runs one statement and waits: one round trip, two when it is not prepared yet. One that is a transaction by itself is run again if PostgreSQL
 * rolled it back (pg_may_repeat()).
 * @param out  the caller's
 * Errors: as pg_fail()
 */
MUST_CHECK enum err pg_run(struct ctx *ctx, struct pg *pg, enum stmt_id stmt, struct db_args args,
	PGresult **out);

/** Monotonic time after so long, or the ctx's deadline. */
int64_t pg_deadline_ms(const struct ctx *ctx, int64_t timeout_ms);

/** A statement that is wrong is named in the fault's cause. @return err */
enum err pg_blame(struct ctx *ctx, enum stmt_id stmt, enum err err);

/**
 * The next result, waiting until `deadline_mono_ms`; NULL result at the end of a statement's results.
 * A connection that lets the deadline pass is closed. Errors: STORE, TIMEOUT.
 */
MUST_CHECK enum err pg_result(struct ctx *ctx, struct pg *pg, int64_t deadline_mono_ms,
	PGresult **out);

/**
 * Whether the statement that has just failed was a transaction by itself, which PostgreSQL rolled back because it met another one: ended a
 * deadlock with it, or could not put the two in order (SQLSTATE 40…, but PG_OUTCOME_UNKNOWN). Then nothing was done, the fault is cleared, and the same may be run again.
 */
bool pg_may_repeat(struct ctx *ctx, const struct pg *pg);

/**
 * What a failed result means: fills the fault. CONFLICT: unique keys, other constraints and checks, a row twice. MISSING: what the row belongs to is
 * gone (foreign keys). STORE: the connection, the server, its limits; or the transaction was rolled back for another's sake. Else INTERNAL.
 */
enum err pg_fail(struct ctx *ctx, struct pg *pg, const PGresult *result);

/** Runs plain SQL (BEGIN, COMMIT, a migration) and waits. Errors: as pg_fail. */
MUST_CHECK enum err pg_exec(struct ctx *ctx, struct pg *pg, const char *sql, int64_t timeout_ms);

/**
 * The text of the oldest notification that has come and was not taken yet; in the ctx's arena; p == NULL when there is none.
 * Asks the connection nothing: pg_ensure() and each answer bring what has come. (PostgreSQL sends what was committed before a transaction
 * of this connection with the answer to its COMMIT at the latest.)
 */
struct str pg_notification(struct ctx *ctx, struct pg *pg);

/** First column of the first row of plain SQL without parameters; p == NULL when there is none. */
MUST_CHECK enum err pg_query_text(struct ctx *ctx, struct pg *pg, const char *sql,
	int64_t timeout_ms, struct str *out);

/**
 * A pool of its own to the same database as another one, which outlives it, and whose fence is its own.
 * @param config  without `url`
 */
struct db *db_create_following(struct db *followed, const struct db_config *config);

/**
 * The number of the connection of a pool of one. It is another one when the connection that was there before has ended, as far as can be seen
 * here: what its session had is gone. No round trip but to open it anew. Errors: STORE
 */
MUST_CHECK enum err db_connection(struct ctx *ctx, struct db *db, int64_t *out);

/** What the pool's connections share with the writer's; the pool's. */
struct fence *db_fence(struct db *db);

/** Wraps a result so that the ctx's arena frees it. */
struct db_rows *pg_rows(struct ctx *ctx, PGresult *result);

#endif
