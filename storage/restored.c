/*
 * A backup's aftermath. One statement.
 */
#include "storage/restored.h"

/* More than a server gives out between a backup and the next; the directory walks over it in seconds. */
#define POSITIONS INT64_C(10000000)

enum err store_restored(struct ctx *ctx, struct db *db)
{
	struct db_rows *rows;
	return db_query(ctx, db, STMT_RESTORED, DB_ARGS(db_bigint(POSITIONS)), &rows);
}
