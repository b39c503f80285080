/*
 * Sources of notices. One statement per function.
 */
#include "storage/notice_source.h"

static struct db_value db_bigint_or_null(int64_t value)
{
	return value != 0 ? db_bigint(value) : db_null();
}

enum err store_notice_source_insert(struct ctx *ctx, struct db *db,
	const struct notice_source_row *row, int64_t limit, int64_t *out_source_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_INSERT,
		DB_ARGS(db_text(row->sender), db_text(row->targets), db_text(row->url),
			db_text(row->language), db_bigint(row->every_ms), db_bigint(row->days_before),
			db_text(row->at_time), db_bigint(limit), db_bigint(row->created_at_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_LIMIT;
	}
	*out_source_id = db_int(rows, 0, 0);
	return ERR_OK;
}

static void read_sources(struct ctx *ctx, const struct db_rows *rows,
	struct notice_source_row **out, size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_source_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_source_row){
			.source_id = db_int(rows, i, 0),
			.sender = db_str(rows, i, 1),
			.targets = db_str(rows, i, 2),
			.url = db_str(rows, i, 3),
			.language = db_str(rows, i, 4),
			.every_ms = db_int(rows, i, 5),
			.days_before = db_int(rows, i, 6),
			.at_time = db_str(rows, i, 7),
			.created_at_ms = db_int(rows, i, 8),
			.next_at_ms = db_int(rows, i, 9),
			.is_primed = db_is_true(rows, i, 10),
			.title = db_str(rows, i, 11),
			.etag = db_str(rows, i, 12),
			.modified = db_str(rows, i, 13),
			.asked_at_ms = db_int(rows, i, 14),
			.failures = db_int(rows, i, 15),
			.problem = db_str(rows, i, 16),
			.posted = db_int(rows, i, 17),
		};
	}
}

enum err store_notice_source_list(struct ctx *ctx, struct db *db, struct notice_source_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_LIST, DB_NO_ARGS, &rows));
	read_sources(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_notice_source_get(struct ctx *ctx, struct db *db, int64_t source_id,
	struct notice_source_row *out)
{
	struct db_rows *rows;
	struct notice_source_row *sources;
	size_t count;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_GET, DB_ARGS(db_bigint(source_id)), &rows));
	read_sources(ctx, rows, &sources, &count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = sources[0];
	return ERR_OK;
}

enum err store_notice_source_body(struct ctx *ctx, struct db *db, int64_t source_id,
	struct str *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_BODY, DB_ARGS(db_bigint(source_id)), &rows));
	*out = db_count(rows) > 0 ? db_str(rows, 0, 0) : (struct str){0};
	return ERR_OK;
}

enum err store_notice_source_delete(struct ctx *ctx, struct db *db, int64_t source_id)
{
	int64_t affected;
	TRY(db_exec(ctx, db, STMT_NOTICE_SOURCE_DELETE, DB_ARGS(db_bigint(source_id)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_source_ask(struct ctx *ctx, struct db *db, int64_t source_id, int64_t now_ms)
{
	int64_t affected;
	TRY(db_exec(ctx, db, STMT_NOTICE_SOURCE_ASK, DB_ARGS(db_bigint(source_id), db_bigint(now_ms)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_source_next(struct ctx *ctx, struct db *db, int64_t *out_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_NEXT, DB_NO_ARGS, &rows));
	*out_ms = db_is_null(rows, 0, 0) ? INT64_MAX : db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_notice_source_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	int64_t **out, size_t *out_count)
{
	return db_query_ints(ctx, db, STMT_NOTICE_SOURCE_DUE,
		DB_ARGS(db_bigint(now_ms), db_bigint(limit)), out, out_count);
}

enum err store_notice_source_items_find(struct ctx *ctx, struct db *db, int64_t source_id,
	const struct str *keys, size_t count, struct notice_source_item_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_ITEMS_FIND,
		DB_ARGS(db_bigint(source_id), db_texts(keys, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_source_item_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_source_item_row){
			.key = db_str(rows, i, 0),
			.version = db_str(rows, i, 1),
			.is_posted = db_is_true(rows, i, 2),
		};
	}
	return ERR_OK;
}

enum err store_notice_source_items_coming(struct ctx *ctx, struct db *db, int64_t source_id,
	int64_t now_ms, int64_t limit, struct notice_source_item_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_ITEMS_COMING,
		DB_ARGS(db_bigint(source_id), db_bigint(now_ms), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_source_item_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_source_item_row){
			.key = db_str(rows, i, 0),
			.is_posted = true,
			.title = db_str(rows, i, 1),
			.starts_at_ms = db_int(rows, i, 2),
		};
	}
	return ERR_OK;
}

enum err store_notice_source_post(struct ctx *ctx, struct db *db,
	const struct notice_source_post *post, int64_t *out_notice_id)
{
	struct db_rows *rows;
	const struct notice_source_item_row *item = &post->item;
	TRY(db_query(ctx, db, STMT_NOTICE_SOURCE_POST,
		DB_ARGS(db_bigint(post->source_id), db_text(item->key), db_text(item->version),
			db_text(item->title), db_bigint_or_null(item->starts_at_ms), db_bigint(post->now_ms),
			db_text(post->texts), db_text(post->zone), db_bigint_or_null(post->expires_at_ms),
			db_bigint(post->limit)),
		&rows));
	*out_notice_id = db_count(rows) > 0 ? db_int(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err store_notice_source_took(struct ctx *ctx, struct db *db,
	const struct notice_source_taken *taken)
{
	int64_t affected;
	return db_exec(ctx, db, STMT_NOTICE_SOURCE_TOOK,
		DB_ARGS(db_bigint(taken->source_id), db_texts(taken->keys, taken->count),
			db_texts(taken->versions, taken->count), db_text(taken->title), db_text(taken->etag),
			db_text(taken->modified), db_bytes(taken->body), db_text(taken->problem),
			db_bigint(taken->now_ms), db_bigint(taken->next_at_ms)),
		&affected);
}

enum err store_notice_source_failed(struct ctx *ctx, struct db *db, int64_t source_id,
	int64_t next_at_ms, struct str problem)
{
	int64_t affected;
	return db_exec(ctx, db, STMT_NOTICE_SOURCE_FAILED,
		DB_ARGS(db_bigint(source_id), db_bigint(next_at_ms), db_text(problem)), &affected);
}
