/*
 * Transactions of other servers. One statement per function; staging goes through the writer, so that transactions that come together
 * share a flush.
 */
#include "storage/inbox.h"

enum err store_inbox_find(struct ctx *ctx, struct db *db, struct str origin, struct str txn_id,
	struct inbox_facts *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_INBOX_FIND, DB_ARGS(db_text(origin), db_text(txn_id)), &rows));
	*out = (struct inbox_facts){.answer = db_str(rows, 0, 0), .waiting = db_int(rows, 0, 1)};
	return ERR_OK;
}

void store_inbox_transaction(struct write *write, struct str origin, struct str txn_id,
	struct str answer, int64_t now_ms)
{
	write_add(write, STMT_INBOX_TRANSACTION_INSERT,
		DB_ARGS(db_text(origin), db_text(txn_id), db_text(answer), db_bigint(now_ms)));
}

void store_inbox_add(struct write *write, const struct inbox_row *row, int64_t now_ms)
{
	write_add(write, STMT_INBOX_INSERT,
		DB_ARGS(db_text(row->queue), db_text(row->origin), db_text(row->event_id),
			db_text(row->body), db_bigint(now_ms)));
}

enum err store_inbox_count(struct ctx *ctx, struct db *db, int64_t *out_count,
	int64_t *out_oldest_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_INBOX_COUNT, DB_NO_ARGS, &rows));
	*out_count = db_int(rows, 0, 0);
	*out_oldest_ms = db_int(rows, 0, 1);
	return ERR_OK;
}

enum err store_inbox_due_queues(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t longest_pause_ms, int64_t limit, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_INBOX_DUE_QUEUES,
		DB_ARGS(db_bigint(now_ms), db_bigint(limit), db_bigint(longest_pause_ms)), out, out_count);
}

enum err store_inbox_next(struct ctx *ctx, struct db *db, struct str queue, int64_t now_ms,
	int64_t limit, struct inbox_item **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_INBOX_NEXT,
		DB_ARGS(db_text(queue), db_bigint(now_ms), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct inbox_item, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct inbox_item){
			.nid = db_int(rows, i, 0),
			.origin = db_str(rows, i, 1),
			.event_id = db_str(rows, i, 2),
			.body = db_str(rows, i, 3),
			.attempts = db_int(rows, i, 4),
		};
	}
	return ERR_OK;
}

enum err store_inbox_done(struct ctx *ctx, struct db *db, const int64_t *nids, size_t count)
{
	return db_exec(ctx, db, STMT_INBOX_DONE, DB_ARGS(db_bigints(nids, count)), NULL);
}

enum err store_inbox_defer(struct ctx *ctx, struct db *db, const struct inbox_item *item,
	int64_t due_at_ms)
{
	return db_exec(ctx, db, STMT_INBOX_DEFER,
		DB_ARGS(db_bigint(item->nid), db_bigint(due_at_ms), db_bigint(item->attempts)), NULL);
}

enum err store_inbox_tidy(struct ctx *ctx, struct db *db, int64_t before_ms, int64_t of_server)
{
	return db_exec(ctx, db, STMT_INBOX_TRANSACTION_TIDY,
		DB_ARGS(db_bigint(before_ms), db_bigint(of_server)), NULL);
}
