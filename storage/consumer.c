/*
 * Positions and leases of stream consumers. One statement per function; the writer's statement moves them in all cases.
 */
#include "storage/consumer.h"

#include "storage/pg.h"

/* The arguments of the writer's statement, outside of it: arrays of one. */
#define MOVE_ARGS(name, from, to) \
	DB_ARGS(db_texts(&(name), 1), db_bigints(&(from), 1), db_bigints(&(to), 1))

struct db *store_leases_create(struct db *db)
{
	return db_create_following(db,
		&(struct db_config){.pool_size = 1,
			.statement_timeout_ms = 5000,
			.acquire_timeout_ms = 5000});
}

enum err store_leases_connection(struct ctx *ctx, struct db *leases, int64_t *out)
{
	return db_connection(ctx, leases, out);
}

enum err store_consumer_lease(struct ctx *ctx, struct db *leases, struct str name,
	bool *out_is_ours)
{
	struct db_rows *rows;
	TRY(db_query(ctx, leases, STMT_CONSUMER_LEASE, DB_ARGS(db_text(name)), &rows));
	*out_is_ours = db_is_true(rows, 0, 0);
	return ERR_OK;
}

enum err store_consumer_give(struct ctx *ctx, struct db *leases, struct str name)
{
	return db_exec(ctx, leases, STMT_CONSUMER_GIVE, DB_ARGS(db_text(name)), NULL);
}

enum err store_consumer_position(struct ctx *ctx, struct db *db, struct str name, int64_t first,
	int64_t *out)
{
	struct db_rows *rows;
	/* A row that somebody else makes meanwhile is in the way of ours, but only the next statement sees it. */
	do {
		TRY(db_query(ctx, db, STMT_CONSUMER_POSITION, DB_ARGS(db_text(name), db_bigint(first)),
			&rows));
	} while (db_count(rows) == 0);
	*out = db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_consumer_move(struct ctx *ctx, struct db *db, struct str name, int64_t from,
	int64_t to)
{
	return db_exec(ctx, db, STMT_CONSUMER_MOVE, MOVE_ARGS(name, from, to), NULL);
}

enum err store_consumer_skip(struct ctx *ctx, struct db *db, struct str name, int64_t from,
	int64_t to)
{
	return db_exec(ctx, db, STMT_CONSUMER_SKIP,
		DB_ARGS(db_text(name), db_bigint(from), db_bigint(to)), NULL);
}

enum err store_consumer_move_in(struct ctx *ctx, struct tx *tx, struct str name, int64_t from,
	int64_t to)
{
	return tx_query(ctx, tx, STMT_CONSUMER_MOVE, MOVE_ARGS(name, from, to), NULL);
}
