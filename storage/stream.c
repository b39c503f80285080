#include "storage/stream.h"

enum err store_stream_position(struct ctx *ctx, struct db *db, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STREAM_POSITION, DB_NO_ARGS, &rows));
	*out = db_int(rows, 0, 0);
	return ERR_OK;
}
