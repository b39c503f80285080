#include "storage/stream.h"

#include "storage/news.h"

enum err store_stream_position(struct ctx *ctx, struct db *db, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_STREAM_POSITION, DB_NO_ARGS, &rows));
	*out = db_int(rows, 0, 0);
	return ERR_OK;
}

/* As a writer says it (news.h), by nobody, who hears no answers. */
enum err store_stream_look(struct ctx *ctx, struct db *db)
{
	struct str text = str_printf(ctx->arena, "0 tell 0 0\n%cnow", NEWS_LOOK);
	return db_exec(ctx, db, STMT_STREAM_SAY, DB_ARGS(db_text(text)), NULL);
}
