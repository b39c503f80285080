/*
 * Reading relations. One statement per function.
 */
#include "storage/relation.h"

enum err store_relations_bundled(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct relation_parents *parents, struct relation_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_RELATIONS_BUNDLED,
		DB_ARGS(db_bigint(room_nid), db_texts(parents->event_ids, parents->count),
			db_texts(parents->senders, parents->count), db_texts(parents->types, parents->count),
			db_bigint(parents->up_to), db_text(parents->reader),
			db_texts(parents->ignored, parents->ignored_count)),
		&rows));
	size_t count = db_count(rows);
	struct relation_row *list = ARENA_NEW_ARRAY(ctx->arena, struct relation_row, count);
	for (size_t i = 0; i < count; i++) {
		list[i] = (struct relation_row){
			.parent_id = db_str(rows, i, 0),
			.rel_type = db_str(rows, i, 1),
			.position = db_int(rows, i, 2),
			.event_id = db_str(rows, i, 3),
			.count = db_int(rows, i, 4),
			.participated = db_is_true(rows, i, 5),
		};
	}
	*out = list;
	*out_count = count;
	return ERR_OK;
}

enum err store_relations_kinds(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, struct relation_kind_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_RELATIONS_KINDS,
		DB_ARGS(db_bigint(room_nid), db_texts(event_ids, count)), &rows));
	size_t found = db_count(rows);
	struct relation_kind_row *list = ARENA_NEW_ARRAY(ctx->arena, struct relation_kind_row, found);
	for (size_t i = 0; i < found; i++) {
		list[i] = (struct relation_kind_row){
			.parent_id = db_str(rows, i, 0),
			.rel_type = db_str(rows, i, 1),
			.sender = db_str(rows, i, 2),
		};
	}
	*out = list;
	*out_count = found;
	return ERR_OK;
}

enum err store_relations_page(struct ctx *ctx, struct db *db, const struct relation_query *query,
	int64_t **out, size_t *out_count)
{
	const struct db_value values[] = {db_bigint(query->room_nid), db_text(query->parent_id),
		db_bigint(query->after), db_bigint(query->up_to), db_text(query->rel_type),
		db_text(query->type), db_texts(query->ignored, query->ignored_count),
		db_bool(query->is_backwards), db_bigint(query->limit), db_bigint(query->levels)};
	bool is_deep = query->levels > 1;
	const struct db_args args = {values, COUNT_OF(values) - (is_deep ? 0 : 1)};
	return db_query_ints(ctx, db, is_deep ? STMT_RELATIONS_PAGE_DEEP : STMT_RELATIONS_PAGE, args,
		out, out_count);
}

enum err store_threads_page(struct ctx *ctx, struct db *db, const struct thread_query *query,
	struct thread_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_THREADS_PAGE,
		DB_ARGS(db_bigint(query->room_nid), db_bigint(query->latest_up_to), db_bigint(query->up_to),
			db_text(query->participant), db_texts(query->ignored, query->ignored_count),
			db_bigint(query->limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct thread_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] =
			(struct thread_row){.root_id = db_str(rows, i, 0), .latest = db_int(rows, i, 1)};
	}
	return ERR_OK;
}
