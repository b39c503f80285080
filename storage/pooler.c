/*
 * A connection that tells its backend's number by itself leads to PostgreSQL. A pooler tells a number of its own; then two connections show
 * whether they share backends.
 */
#include "storage/pooler.h"

enum { QUICK_MS = 10000, ROUNDS = 8 };

static enum err given_away(struct ctx *ctx)
{
	return fail(ctx, ERR_CONFLICT, NULL,
		"A pooler before the database (PgBouncer?) gives connections away between transactions; Belfry prepares statements, listens and "
		"holds locks on its own. Set pool_mode = session for this database, or let database.url lead to PostgreSQL itself.");
}

static enum err backend_of(struct ctx *ctx, struct pg *pg, int64_t *out)
{
	struct str text;
	TRY(pg_query_text(ctx, pg, "SELECT pg_backend_pid()::text", QUICK_MS, &text));
	return str_to_int(text, 1, INT32_MAX, out)
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "pg_backend_pid() is no number");
}

/* The backend of one between two transactions of its own, while the other is in the middle of one. */
static enum err is_shared(struct ctx *ctx, struct pg *one, struct pg *other, bool *out)
{
	int64_t before;
	int64_t others;
	int64_t after;
	TRY(backend_of(ctx, one, &before));
	if (pg_exec(ctx, other, "BEGIN", QUICK_MS) != ERR_OK) {
		return given_away(ctx); /* after each statement, even */
	}
	TRY(backend_of(ctx, other, &others));
	TRY(backend_of(ctx, one, &after));
	TRY(pg_exec(ctx, other, "COMMIT", QUICK_MS));
	*out = before == others || before != after;
	return ERR_OK;
}

static enum err compare(struct ctx *ctx, struct pg *one, struct pg *other)
{
	TRY(pg_ensure(ctx, other));
	for (int i = 0; i < ROUNDS; i++) { /* clients of others may get in between */
		bool shared = false;
		TRY(is_shared(ctx, one, other, &shared));
		if (shared) {
			return given_away(ctx);
		}
	}
	return ERR_OK;
}

enum err pooler_check(struct ctx *ctx, struct pg *pg)
{
	int64_t backend;
	TRY(backend_of(ctx, pg, &backend));
	if (backend == PQbackendPID(pg->conn)) {
		return ERR_OK;
	}
	struct pg other;
	pg_init(&other, pg->url, pg->statement_timeout_ms);
	enum err err = compare(ctx, pg, &other);
	pg_close(&other);
	return err;
}
