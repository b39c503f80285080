/*
 * Accepted policies. One statement per function.
 */
#include "storage/terms.h"

enum err store_terms_accept(struct ctx *ctx, struct tx *tx, struct str user_id,
	const struct terms_versions *terms, int64_t now_ms)
{
	return tx_query(ctx, tx, STMT_TERMS_ACCEPT,
		DB_ARGS(db_text(user_id), db_texts(terms->ids, terms->count),
			db_texts(terms->versions, terms->count), db_bigint(now_ms)),
		NULL);
}

enum err store_terms_lacking(struct ctx *ctx, struct db *db, struct str user_id,
	const struct terms_versions *terms, bool *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_TERMS_LACKING,
		DB_ARGS(db_text(user_id), db_texts(terms->ids, terms->count),
			db_texts(terms->versions, terms->count)),
		&rows));
	*out = db_is_true(rows, 0, 0);
	return ERR_OK;
}

enum err store_terms_tell(struct ctx *ctx, struct db *db, struct str user_id, struct str versions,
	struct str body, int64_t now_ms)
{
	struct db_rows *rows;
	return db_query(ctx, db, STMT_TERMS_TELL,
		DB_ARGS(db_text(user_id), db_text(versions), db_text(body), db_bigint(now_ms)), &rows);
}

enum err store_terms_accepted_list(struct ctx *ctx, struct db *db,
	const struct terms_accepted_row *after, struct str user_id, int64_t limit,
	struct terms_accepted_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_TERMS_ACCEPTED_LIST,
		DB_ARGS(db_text(after->user_id), db_text(after->policy_id), db_text(after->version),
			db_bigint(limit), db_text(user_id)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct terms_accepted_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct terms_accepted_row){
			.user_id = db_str(rows, i, 0),
			.policy_id = db_str(rows, i, 1),
			.version = db_str(rows, i, 2),
			.accepted_at_ms = db_int(rows, i, 3),
		};
	}
	return ERR_OK;
}

enum err store_terms_missing(struct ctx *ctx, struct db *db, struct str after,
	const struct terms_versions *terms, int64_t limit, struct terms_missing_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_TERMS_MISSING,
		DB_ARGS(db_text(after), db_texts(terms->ids, terms->count),
			db_texts(terms->versions, terms->count), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct terms_missing_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct terms_missing_row){.user_id = db_str(rows, i, 0),
			.missing = db_str(rows, i, 1)};
	}
	return ERR_OK;
}
