/*
 * EDUs that wait, and what was told of devices. One statement per function.
 */
#include "storage/outbox_edu.h"

/* The columns of rows, as arrays. */
struct columns {
	struct str *servers, *keys, *types, *contents;
};

static struct columns columns_of(struct arena *arena, const struct outbox_edu_row *rows,
	size_t count)
{
	struct columns columns = {
		.servers = ARENA_NEW_ARRAY(arena, struct str, count),
		.keys = ARENA_NEW_ARRAY(arena, struct str, count),
		.types = ARENA_NEW_ARRAY(arena, struct str, count),
		.contents = ARENA_NEW_ARRAY(arena, struct str, count),
	};
	for (size_t i = 0; i < count; i++) {
		columns.servers[i] = rows[i].server;
		columns.keys[i] = rows[i].key;
		columns.types[i] = rows[i].edu_type;
		columns.contents[i] = rows[i].content;
	}
	return columns;
}

#define COLUMN_ARGS(columns, count) \
	DB_ARGS(db_texts((columns).servers, (count)), db_texts((columns).keys, (count)), \
		db_texts((columns).types, (count)), db_texts((columns).contents, (count)))

enum err store_outbox_edus_add(struct ctx *ctx, struct db *db, const struct outbox_edu_row *rows,
	size_t count)
{
	struct columns columns = columns_of(ctx->arena, rows, count);
	return db_exec(ctx, db, STMT_OUTBOX_EDUS_ADD, COLUMN_ARGS(columns, count), NULL);
}

enum err store_outbox_edus_replace(struct ctx *ctx, struct db *db, struct tx *tx,
	const struct outbox_edu_row *rows, size_t count)
{
	struct columns columns = columns_of(ctx->arena, rows, count);
	return tx != NULL
		? tx_query(ctx, tx, STMT_OUTBOX_EDUS_REPLACE, COLUMN_ARGS(columns, count), NULL)
		: db_exec(ctx, db, STMT_OUTBOX_EDUS_REPLACE, COLUMN_ARGS(columns, count), NULL);
}

static void read_edus(struct ctx *ctx, const struct db_rows *rows, struct outbox_edu_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct outbox_edu_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct outbox_edu_row){
			.edu_id = db_int(rows, i, 0),
			.edu_type = db_str(rows, i, 1),
			.content = db_str(rows, i, 2),
		};
	}
}

enum err store_outbox_edus_next(struct ctx *ctx, struct db *db, struct str server, int64_t limit,
	struct outbox_edu_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_EDUS_NEXT, DB_ARGS(db_text(server), db_bigint(limit)),
		&rows));
	read_edus(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_outbox_edus_by_id(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *edu_ids, size_t count, struct outbox_edu_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OUTBOX_EDUS_BY_ID,
		DB_ARGS(db_text(server), db_bigints(edu_ids, count)), &rows));
	read_edus(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_outbox_edus_delete(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *edu_ids, size_t count)
{
	return db_exec(ctx, db, STMT_OUTBOX_EDUS_DELETE,
		DB_ARGS(db_text(server), db_bigints(edu_ids, count)), NULL);
}

enum err store_outbox_edus_trim(struct ctx *ctx, struct db *db, struct str server, int64_t kept,
	int64_t *out_dropped)
{
	return db_exec(ctx, db, STMT_OUTBOX_EDUS_TRIM, DB_ARGS(db_text(server), db_bigint(kept)),
		out_dropped);
}

enum err store_outbox_edus_servers(struct ctx *ctx, struct db *db, struct str **out,
	size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_OUTBOX_EDUS_SERVERS, DB_NO_ARGS, out, out_count);
}

/* --- devices -------------------------------------------------------------------------------------------- */

enum err store_device_list_changes_in_stream(struct ctx *ctx, struct db *db, struct str own,
	int64_t after, int64_t up_to, int64_t limit, struct keys_change **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_LIST_CHANGES_IN_STREAM,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_bigint(limit), db_text(own)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct keys_change, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct keys_change){db_str(rows, i, 0), db_int(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_device_list_told(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct told_device **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_LIST_TOLD, DB_ARGS(db_texts(user_ids, count)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct told_device, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct told_device){db_str(rows, i, 0), db_str(rows, i, 1), db_str(rows, i, 2),
			db_int(rows, i, 3)};
	}
	return ERR_OK;
}

enum err store_device_list_tell(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct told_device *devices, size_t count)
{
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	struct str *digests = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		ids[i] = devices[i].device_id;
		digests[i] = devices[i].digest;
		positions[i] = devices[i].position;
	}
	return tx_query(ctx, tx, STMT_DEVICE_LIST_TELL,
		DB_ARGS(db_text(user_id), db_texts(ids, count), db_texts(digests, count),
			db_bigints(positions, count)),
		NULL);
}
