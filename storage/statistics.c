/*
 * A plan is made once and kept until its tables are looked at anew. Autovacuum does so once a minute, at the most; a school that
 * begins, or comes into a large room, has thousands of rows by then, read by the plans of empty tables.
 */
#include "storage/statistics.h"

#include "gen/stmt_ids.h"

enum err store_statistics_renew(struct ctx *ctx, struct db *db)
{
	return db_query(ctx, db, STMT_STATISTICS_RENEW, DB_NO_ARGS, NULL);
}
