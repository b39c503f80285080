/*
 * Rooms of classes. One statement per function.
 */
#include "storage/notice_class.h"

enum err store_notice_class_put(struct ctx *ctx, struct tx *tx, const struct notice_class_row *row,
	int64_t now_ms, int64_t *out_class_id)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_NOTICE_CLASS_PUT,
		DB_ARGS(db_text(row->alias), db_text(row->sender), db_text(row->template_name),
			db_text(row->name), db_bool(row->is_encrypted), db_text(row->space), db_bigint(now_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_CONFLICT;
	}
	*out_class_id = db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_notice_class_touch(struct ctx *ctx, struct tx *tx, struct str alias, int64_t now_ms,
	int64_t *out_class_id)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_NOTICE_CLASS_TOUCH, DB_ARGS(db_text(alias), db_bigint(now_ms)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_class_id = db_int(rows, 0, 0);
	return ERR_OK;
}

static void read_classes(struct ctx *ctx, const struct db_rows *rows, struct notice_class_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_class_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_class_row){
			.class_id = db_int(rows, i, 0),
			.alias = db_str(rows, i, 1),
			.sender = db_str(rows, i, 2),
			.template_name = db_str(rows, i, 3),
			.name = db_str(rows, i, 4),
			.is_encrypted = db_is_true(rows, i, 5),
			.space = db_str(rows, i, 6),
			.version = db_int(rows, i, 7),
			.room_id = db_str(rows, i, 8),
			.next_try_ms = db_int(rows, i, 9),
			.failures = db_int(rows, i, 10),
			.reason = db_str(rows, i, 11),
		};
	}
}

enum err store_notice_class_list(struct ctx *ctx, struct db *db, struct notice_class_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CLASS_LIST, DB_NO_ARGS, &rows));
	read_classes(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_notice_class_find(struct ctx *ctx, struct db *db, struct str alias,
	struct notice_class_row *out)
{
	struct db_rows *rows;
	struct notice_class_row *classes;
	size_t count;
	TRY(db_query(ctx, db, STMT_NOTICE_CLASS_FIND, DB_ARGS(db_text(alias)), &rows));
	read_classes(ctx, rows, &classes, &count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = classes[0];
	return ERR_OK;
}

enum err store_notice_class_people_put(struct ctx *ctx, struct tx *tx, int64_t class_id,
	const struct notice_class_person *people, size_t count)
{
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	struct str *roles = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		users[i] = people[i].user_id;
		roles[i] = people[i].role;
	}
	return tx_query(ctx, tx, STMT_NOTICE_CLASS_PEOPLE_PUT,
		DB_ARGS(db_bigint(class_id), db_texts(users, count), db_texts(roles, count)), NULL);
}

enum err store_notice_class_people(struct ctx *ctx, struct db *db, int64_t class_id,
	struct notice_class_person **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CLASS_PEOPLE, DB_ARGS(db_bigint(class_id)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_class_person, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_class_person){
			.user_id = db_str(rows, i, 0),
			.role = db_str(rows, i, 1),
		};
	}
	return ERR_OK;
}

enum err store_notice_class_next(struct ctx *ctx, struct db *db, int64_t *out_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CLASS_NEXT, DB_NO_ARGS, &rows));
	*out_ms = db_is_null(rows, 0, 0) ? INT64_MAX : db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_notice_class_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_class_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CLASS_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)),
		&rows));
	read_classes(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_notice_class_done(struct ctx *ctx, struct db *db, const struct notice_class_row *row,
	struct str room_id, const struct str *gone, size_t count, struct str reason)
{
	int64_t affected;
	return db_exec(ctx, db, STMT_NOTICE_CLASS_DONE,
		DB_ARGS(db_bigint(row->class_id), db_bigint(row->version), db_text(room_id),
			db_texts(gone, count), db_text(reason)),
		&affected);
}

enum err store_notice_class_failed(struct ctx *ctx, struct db *db, int64_t class_id,
	int64_t next_try_ms, struct str reason)
{
	int64_t affected;
	return db_exec(ctx, db, STMT_NOTICE_CLASS_FAILED,
		DB_ARGS(db_bigint(class_id), db_bigint(next_try_ms), db_text(reason)), &affected);
}
