/*
 * The pool of connections for queries. A lease lasts one call or one transaction.
 */
#include "storage/db.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "storage/fence.h"
#include "storage/pg.h"
#include "storage/pg_trip.h"

#include <stdlib.h>

static struct metric queries =
	METRIC_COUNTER("belfry_db_queries_total", "Statements run outside the writer");
static struct metric query_time =
	METRIC_HISTOGRAM("belfry_db_query_seconds", "Duration of statements run outside the writer");
static struct metric waiting =
	METRIC_GAUGE("belfry_db_pool_waiting", "Requests that wait for a connection");

struct pooled {
	struct pg pg;
	struct pooled *next_free;
};

struct db {
	struct db_config config;
	char *url;
	struct fence *fence;
	struct fence own_fence; /* of a pool that follows no other */
	struct lock lock;
	struct cond freed;
	struct pooled *connections;
	struct pooled
		*free; /* guarded by lock; the last used first, so that few are open when little is asked */
};

static struct db *create(const struct db_config *config, struct fence *fence)
{
	struct db *db = mem_alloc(sizeof(*db));
	db->config = *config;
	db->url = mem_dup(config->url.p, config->url.n);
	fence_init(&db->own_fence);
	db->fence = fence != NULL ? fence : &db->own_fence;
	lock_init(&db->lock, RANK_DB_POOL);
	cond_init(&db->freed);
	size_t size = (size_t)MAX_OF(config->pool_size, 1);
	db->connections = mem_alloc_array(size, sizeof(*db->connections));
	for (size_t i = size; i > 0; i--) {
		struct pooled *pooled = &db->connections[i - 1];
		pg_init(&pooled->pg, str_of(db->url), config->statement_timeout_ms);
		pooled->pg.fence = db->fence;
		pooled->next_free = db->free;
		db->free = pooled;
	}
	return db;
}

struct db *db_create(const struct db_config *config)
{
	return create(config, NULL);
}

struct db *db_create_following(struct db *followed, const struct db_config *config)
{
	struct db_config own = *config;
	own.url = str_of(followed->url);
	return create(&own, followed->fence);
}

void db_destroy(struct db *db)
{
	if (db == NULL) {
		return;
	}
	for (int i = 0; i < MAX_OF(db->config.pool_size, 1); i++) {
		pg_close(&db->connections[i].pg);
	}
	mem_free(db->connections);
	cond_fini(&db->freed);
	lock_fini(&db->lock);
	fence_fini(&db->own_fence);
	mem_free(db->url);
	mem_free(db);
}

struct fence *db_fence(struct db *db)
{
	return db->fence;
}

/* --- leases ------------------------------------------------------------------------------------------- */

/* Monotonic time after so long, or the request's deadline. */
static int64_t until(const struct ctx *ctx, int64_t timeout_ms)
{
	int64_t deadline_ms = clock_os_ms() + timeout_ms;
	return ctx->deadline_ms != 0 ? MIN_OF(deadline_ms, ctx->deadline_ms) : deadline_ms;
}

static enum err lease(struct ctx *ctx, struct db *db, struct pooled **out)
{
	TRY(ctx_may_wait(ctx));
	lock_assert_none_held();
	int64_t deadline_ms = until(ctx, db->config.acquire_timeout_ms);
	lock_take(&db->lock);
	metric_add(&waiting, 1);
	while (db->free == NULL) {
		if (!cond_wait_until(&db->freed, &db->lock, deadline_ms)) {
			break;
		}
	}
	metric_add(&waiting, -1);
	struct pooled *pooled = db->free;
	if (pooled != NULL) {
		db->free = pooled->next_free;
	}
	lock_give(&db->lock);
	if (pooled == NULL) {
		return fail_cause(ctx, ERR_STORE, "all %d database connections are busy",
			db->config.pool_size);
	}
	*out = pooled;
	return ERR_OK;
}

static void give_back(struct db *db, struct pooled *pooled)
{
	LOCK_SCOPE(&db->lock);
	pooled->next_free = db->free;
	db->free = pooled;
	cond_signal(&db->freed);
}

/* --- statements ------------------------------------------------------------------------------------------ */

/* @param check  NULL: none */
static enum err run_leased(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	const struct db_check *check, PGresult **out)
{
	struct pooled *pooled;
	TRY(lease(ctx, db, &pooled));
	int64_t start_us = clock_mono_us();
	enum err err = pg_ensure(ctx, &pooled->pg);
	if (err == ERR_OK) {
		err = check != NULL ? pg_run_checked(ctx, &pooled->pg, stmt, args, *check, out)
							: pg_run(ctx, &pooled->pg, stmt, args, out);
	}
	give_back(db, pooled);
	metric_add(&queries, 1);
	metric_observe_us(&query_time, clock_mono_us() - start_us);
	return err;
}

enum err db_query_checked(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	const struct db_check *check, struct db_rows **out)
{
	PGresult *result = NULL;
	TRY(run_leased(ctx, db, stmt, args, check, &result));
	struct db_rows *rows = pg_rows(ctx, result);
	if (out != NULL) {
		*out = rows;
	}
	return ERR_OK;
}

enum err db_query(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	struct db_rows **out)
{
	return db_query_checked(ctx, db, stmt, args, NULL, out);
}

static void read_texts(struct ctx *ctx, const struct db_rows *rows, struct str **out,
	size_t *out_count)
{
	size_t count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		(*out)[i] = db_str(rows, i, 0);
	}
	*out_count = count;
}

enum err db_query_texts(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	struct str **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, stmt, args, &rows));
	read_texts(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err db_query_ints(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	int64_t **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, stmt, args, &rows));
	size_t count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		(*out)[i] = db_int(rows, i, 0);
	}
	*out_count = count;
	return ERR_OK;
}

enum err db_exec(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	int64_t *out_affected)
{
	PGresult *result = NULL;
	if (out_affected != NULL) {
		*out_affected = 0;
	}
	TRY(run_leased(ctx, db, stmt, args, NULL, &result));
	int64_t affected = 0;
	if (out_affected != NULL && str_to_int(str_of(PQcmdTuples(result)), 0, INT64_MAX, &affected)) {
		*out_affected = affected;
	}
	PQclear(result);
	return ERR_OK;
}

enum err db_connection(struct ctx *ctx, struct db *db, int64_t *out)
{
	struct pooled *pooled;
	invariant(db->config.pool_size == 1);
	TRY(lease(ctx, db, &pooled));
	enum err err = pg_ensure(ctx, &pooled->pg);
	*out = pooled->pg.connections;
	give_back(db, pooled);
	return err;
}

/* --- transactions --------------------------------------------------------------------------------------- */

struct tx {
	struct db *db;
	struct pooled *pooled;
};

enum err tx_begin(struct ctx *ctx, struct db *db, struct tx **out)
{
	struct pooled *pooled;
	TRY(lease(ctx, db, &pooled));
	enum err err = pg_ensure(ctx, &pooled->pg);
	if (err == ERR_OK) {
		err = pg_exec(ctx, &pooled->pg, "BEGIN", db->config.statement_timeout_ms);
	}
	if (err != ERR_OK) {
		give_back(db, pooled);
		return err;
	}
	struct tx *tx = mem_alloc(sizeof(*tx));
	tx->db = db;
	tx->pooled = pooled;
	*out = tx;
	return ERR_OK;
}

enum err tx_query(struct ctx *ctx, struct tx *tx, enum stmt_id stmt, struct db_args args,
	struct db_rows **out)
{
	PGresult *result = NULL;
	TRY(pg_run(ctx, &tx->pooled->pg, stmt, args, &result));
	struct db_rows *rows = pg_rows(ctx, result);
	if (out != NULL) {
		*out = rows;
	}
	return ERR_OK;
}

enum err tx_query_texts(struct ctx *ctx, struct tx *tx, enum stmt_id stmt, struct db_args args,
	struct str **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, stmt, args, &rows));
	read_texts(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err tx_commit(struct ctx *ctx, struct tx **tx)
{
	enum err err =
		pg_exec(ctx, &(*tx)->pooled->pg, "COMMIT", (*tx)->db->config.statement_timeout_ms);
	if (err == ERR_OK) {
		give_back((*tx)->db, (*tx)->pooled);
		mem_free(*tx);
		*tx = NULL;
	}
	return err;
}

void tx_cleanup(struct tx **tx)
{
	if (*tx == NULL) {
		return;
	}
	struct pg *pg = &(*tx)->pooled->pg;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (pg->conn != NULL && pg_exec(&ctx, pg, "ROLLBACK", 1000) != ERR_OK) {
		pg_close(pg); /* its state is unknown */
	}
	give_back((*tx)->db, (*tx)->pooled);
	mem_free(*tx);
	*tx = NULL;
}
