/**
 * PostgreSQL behind one face: a pool of connections on which every statement is prepared, typed
 * parameters, typed results.
 *
 *     struct db_rows *rows;
 *     TRY(db_query(ctx, db, STMT_DEVICE_LIST, DB_ARGS(db_text(user_id)), &rows));
 *     for (size_t i = 0; i < db_count(rows); i++) { … db_str(rows, i, 0) … db_int(rows, i, 1) … }
 *
 * A call costs one round trip. Connections are leased for one call or one transaction. Every statement has a
 * time limit. No ranked lock may be held.
 */
#ifndef BELFRY_STORAGE_DB_H
#define BELFRY_STORAGE_DB_H

#include "base/ctx.h"
#include "gen/stmt_ids.h"

struct db;
struct db_rows;

enum db_kind {
	DB_KIND_NULL,
	DB_KIND_TEXT,
	DB_KIND_INT, /**< bigint */
	DB_KIND_BOOL,
	DB_KIND_BYTES, /**< bytea */
	DB_KIND_TEXT_ARRAY,
	DB_KIND_INT_ARRAY,
	DB_KIND_POSITION, /**< writer only: the n-th stream position of this write */
};

struct db_value {
	enum db_kind kind;
	struct str text;         /**< TEXT, BYTES; p == NULL: SQL NULL */
	int64_t integer;         /**< INT, BOOL, POSITION */
	const struct str *texts; /**< TEXT_ARRAY */
	const int64_t *integers; /**< INT_ARRAY */
	size_t count;
};

struct db_args {
	const struct db_value *values;
	size_t count;
};

/** The argument list of a statement; lives until the end of the enclosing block. */
#define DB_ARGS(...) \
	((struct db_args){(const struct db_value[]){__VA_ARGS__}, \
		sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)})
#define DB_NO_ARGS ((struct db_args){NULL, 0})

static inline struct db_value db_text(struct str text) /* p == NULL: SQL NULL */
{
	return (struct db_value){.kind = DB_KIND_TEXT, .text = text};
}
static inline struct db_value db_bytes(struct str bytes)
{
	return (struct db_value){.kind = DB_KIND_BYTES, .text = bytes};
}
static inline struct db_value db_bigint(int64_t value)
{
	return (struct db_value){.kind = DB_KIND_INT, .integer = value};
}
static inline struct db_value db_bool(bool value)
{
	return (struct db_value){.kind = DB_KIND_BOOL, .integer = value};
}
static inline struct db_value db_null(void)
{
	return (struct db_value){.kind = DB_KIND_NULL};
}
static inline struct db_value db_texts(const struct str *texts, size_t count)
{
	return (struct db_value){.kind = DB_KIND_TEXT_ARRAY, .texts = texts, .count = count};
}
static inline struct db_value db_bigints(const int64_t *values, size_t count)
{
	return (struct db_value){.kind = DB_KIND_INT_ARRAY, .integers = values, .count = count};
}
/** Writer only: the `index`-th stream position that this write was given (0 is the first). */
static inline struct db_value db_position(size_t index)
{
	return (struct db_value){.kind = DB_KIND_POSITION, .integer = (int64_t)index};
}

struct db_config {
	struct str url; /**< libpq connection string or URI */
	int pool_size;  /**< connections for queries (the writer has its own) */
	int64_t statement_timeout_ms;
	int64_t acquire_timeout_ms; /**< longest wait for a free connection */
};

/** Makes the pool; connects lazily. Never fails; the first query reports what is wrong. */
struct db *db_create(const struct db_config *config);
void db_destroy(struct db *db);

/**
 * Runs one statement on its own.
 * @param out  result in the ctx's arena (freed with it); NULL when not wanted
 * Errors: STORE (database away; or rolled back by PostgreSQL for another's sake, time and again); TIMEOUT (the ctx's deadline, the statement's limit, no free connection); CONFLICT (unique or
 * exclusion violation, a check); MISSING (foreign-key violation: what the row belongs to is gone); INPUT M_INVALID_PARAM (a text with NUL, or no UTF-8); LIMIT
 * (parameters over 512 MiB); INTERNAL (the statement is wrong)
 */
MUST_CHECK enum err db_query(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	struct db_rows **out);

/** The same, of a statement with one column of texts: what it holds, in the ctx's arena. */
MUST_CHECK enum err db_query_texts(struct ctx *ctx, struct db *db, enum stmt_id stmt,
	struct db_args args, struct str **out, size_t *out_count);
/** The same of integers. */
MUST_CHECK enum err db_query_ints(struct ctx *ctx, struct db *db, enum stmt_id stmt,
	struct db_args args, int64_t **out, size_t *out_count);

/** What can be found out while the database is at work. */
struct db_check {
	/** On the caller's thread, which holds a connection meanwhile: nothing that waits. */
	enum err (*run)(struct ctx *ctx, void *self);
	void *self;
};
/**
 * As db_query(), for a statement that is committed if a check says OK, which runs beside it. What else the check says is returned, and nothing is changed; then
 * the database has worked in vain, so it is for what hardly ever happens.
 * @param check  NULL: as db_query()
 */
MUST_CHECK enum err db_query_checked(struct ctx *ctx, struct db *db, enum stmt_id stmt,
	struct db_args args, const struct db_check *check, struct db_rows **out);

/** As db_query(), for statements without a wanted result; *out_affected (may be NULL) gets the number of rows. */
MUST_CHECK enum err db_exec(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	int64_t *out_affected);

/**
 * A transaction: READ COMMITTED on one leased connection. Ended by tx_commit(), or else by the cleanup; used by one thread.
 *
 *     struct tx *tx CLEANUP(tx_cleanup) = NULL;
 *     TRY(tx_begin(ctx, db, &tx));
 *     TRY(tx_query(ctx, tx, STMT_…, DB_ARGS(…), NULL));
 *     TRY(tx_commit(ctx, &tx));
 *
 * Errors: as db_query. A STORE or TIMEOUT of tx_commit leaves open whether it happened; what memory knows of it is to be forgotten then, too.
 */
struct tx;
/** A connection of the pool, until the transaction is over. Waits for one. One round trip. */
MUST_CHECK enum err tx_begin(struct ctx *ctx, struct db *db, struct tx **out);
/** As db_query(). @param out  NULL: rows are not wanted */
MUST_CHECK enum err tx_query(struct ctx *ctx, struct tx *tx, enum stmt_id stmt, struct db_args args,
	struct db_rows **out);
/** As db_query_texts(). */
MUST_CHECK enum err tx_query_texts(struct ctx *ctx, struct tx *tx, enum stmt_id stmt,
	struct db_args args, struct str **out, size_t *out_count);
/** One round trip; gives the connection back. */
MUST_CHECK enum err tx_commit(struct ctx *ctx, struct tx **tx);
/** Rolls back unless committed; for CLEANUP(tx_cleanup). */
void tx_cleanup(struct tx **tx);

/** How many rows there are. */
size_t db_count(const struct db_rows *rows);
/** Whether the value is NULL. Rows and columns count from 0, and must be there. */
bool db_is_null(const struct db_rows *rows, size_t row, size_t column);
/** Text or bytea; p == NULL for NULL. Borrowed until the arena is reset. */
struct str db_str(const struct db_rows *rows, size_t row, size_t column);
/** bigint, integer, boolean (0/1); 0 for NULL. */
int64_t db_int(const struct db_rows *rows, size_t row, size_t column);
bool db_is_true(const struct db_rows *rows, size_t row, size_t column);

#endif
