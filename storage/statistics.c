/*
 * A plan is made once and kept until its tables are looked at anew. Autovacuum does so once a minute, at the most; a school that
 * begins, or comes into a large room, has thousands of rows by then, read by the plans of empty tables.
 */
#include "storage/statistics.h"

#include "gen/stmt_ids.h"

enum { MOST = 16 }; /* one that is locked is passed over, and would be met again */

enum err store_statistics_renew(struct ctx *ctx, struct db *db)
{
	bool goes_on = true;
	for (int i = 0; goes_on && i < MOST; i++) {
		struct db_rows *rows;
		TRY(db_query(ctx, db, STMT_STATISTICS_RENEW, DB_NO_ARGS, &rows));
		goes_on = db_count(rows) > 0 && db_int(rows, 0, 0) > 0;
	}
	return ERR_OK;
}
