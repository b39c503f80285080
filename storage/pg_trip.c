/*
 * Pipelines. PostgreSQL carries a statement out when it has come, and commits at the sync point behind it; so what is sent without one is at work
 * already and still can be undone.
 */
#include "storage/pg_trip.h"

enum err pg_trip_lost(struct ctx *ctx, struct pg *pg)
{
	enum err err = pg_fail(ctx, pg, NULL);
	pg_close(pg);
	return err == ERR_STORE ? err : fail_cause(ctx, ERR_STORE, "the database connection broke");
}

enum err pg_trip_end(struct ctx *ctx, struct pg *pg)
{
	return PQpipelineSync(pg->conn) != 0 ? ERR_OK : pg_trip_lost(ctx, pg);
}

static bool is_outcome_unknown(const PGresult *result)
{
	return str_equals(str_of(PQresultErrorField(result, PG_DIAG_SQLSTATE)),
		STR(PG_OUTCOME_UNKNOWN));
}

enum err pg_trip_read(struct ctx *ctx, struct pg *pg, int64_t deadline_ms, PGresult **out_row)
{
	enum err err = ERR_OK;
	for (;;) {
		PGresult *result = NULL;
		TRY(pg_result(ctx, pg, deadline_ms, &result));
		if (result == NULL) {
			if (PQstatus(pg->conn) != CONNECTION_OK) {
				return pg_trip_lost(ctx, pg);
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
		if (!ok && is_outcome_unknown(result)) {
			PQclear(result);
			return pg_trip_lost(ctx, pg);
		}
		if (status == PGRES_TUPLES_OK && out_row != NULL && *out_row == NULL) {
			*out_row = result;
		} else {
			PQclear(result);
		}
	}
}

/* What is not sent yet, because there is no room, goes when the answer is waited for. */
static enum err send_begun(struct ctx *ctx, struct pg *pg, enum stmt_id stmt,
	const struct pg_params *params)
{
	if (PQenterPipelineMode(pg->conn) == 0) {
		return pg_trip_lost(ctx, pg);
	}
	TRY(pg_send(ctx, pg, stmt, params));
	return PQflush(pg->conn) >= 0 ? ERR_OK : pg_trip_lost(ctx, pg);
}

/* ROLLBACK alone would leave a warning in the database's log; BEGIN makes what was sent before it part of the block that it begins. */
static enum err undo(struct ctx *ctx, struct pg *pg)
{
	static const char *const words[] = {"BEGIN", "ROLLBACK"};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (PQsendQueryParams(pg->conn, words[i], 0, NULL, NULL, NULL, NULL, 1) == 0) {
			return pg_trip_lost(ctx, pg);
		}
	}
	TRY(pg_trip_end(ctx, pg));
	return pg_trip_read(ctx, pg, pg_deadline_ms(ctx, pg->statement_timeout_ms + 1000), NULL);
}

/* What is wrong with the statement, or with the connection, is of no interest any more. @return err, as the check has described it */
static enum err give_up(struct ctx *ctx, struct pg *pg, enum err err)
{
	struct fault fault = ctx->fault;
	(void)undo(ctx, pg);
	if (pg->conn != NULL && PQexitPipelineMode(pg->conn) == 0) {
		pg_close(pg);
	}
	ctx->fault = fault;
	return err;
}

enum err pg_run_checked(struct ctx *ctx, struct pg *pg, enum stmt_id stmt, struct db_args args,
	struct db_check check, PGresult **out)
{
	struct pg_params params;
	PGresult *result = NULL;
	TRY(pg_encode(ctx, ctx->arena, args, &params));
	TRY(pg_prepare(ctx, pg, stmt));
	TRY(send_begun(ctx, pg, stmt, &params));
	enum err err = check.run(ctx, check.self);
	if (err != ERR_OK) {
		return give_up(ctx, pg, err);
	}
	TRY(pg_trip_end(ctx, pg));
	err = pg_trip_read(ctx, pg, pg_deadline_ms(ctx, pg->statement_timeout_ms + 1000), &result);
	if (pg->conn != NULL && PQexitPipelineMode(pg->conn) == 0) {
		pg_close(pg); /* it has committed all the same */
	}
	if (err != ERR_OK) {
		PQclear(result);
		return pg_may_repeat(ctx, pg) ? pg_run(ctx, pg, stmt, args, out) : pg_blame(ctx, stmt, err);
	}
	*out = result;
	return ERR_OK;
}
