/**
 * Statements that go to the database together (libpq's pipeline), in one transaction: up to a sync point, where it is committed.
 */
#ifndef BELFRY_STORAGE_PG_TRIP_H
#define BELFRY_STORAGE_PG_TRIP_H

#include "storage/pg.h"

/** The connection broke, and is closed. @return STORE */
enum err pg_trip_lost(struct ctx *ctx, struct pg *pg);

/** Sends the sync point. Errors: STORE. */
MUST_CHECK enum err pg_trip_end(struct ctx *ctx, struct pg *pg);

/**
 * Reads everything up to the sync point. The first failure counts; one of PG_OUTCOME_UNKNOWN as if the connection had broken.
 * @param out_row  may be NULL; the first result that has rows, when there is none yet; the caller's
 * Errors: as pg_fail()
 */
MUST_CHECK enum err pg_trip_read(struct ctx *ctx, struct pg *pg, int64_t deadline_ms,
	PGresult **out_row);

/** pg_run() of a statement that is committed if the check says OK. */
MUST_CHECK enum err pg_run_checked(struct ctx *ctx, struct pg *pg, enum stmt_id stmt,
	struct db_args args, struct db_check check, PGresult **out);

#endif
