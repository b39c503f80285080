/*
 * The notices of a school. One statement per function.
 */
#include "storage/notice.h"

static struct db_value db_bigint_or_null(int64_t value)
{
	return value != 0 ? db_bigint(value) : db_null();
}

/* --- senders and tokens ------------------------------------------------------------------------------------ */

enum err store_notice_sender_insert(struct ctx *ctx, struct tx *tx, struct str user_id,
	int64_t created_at_ms)
{
	return tx_query(ctx, tx, STMT_NOTICE_SENDER_INSERT,
		DB_ARGS(db_text(user_id), db_bigint(created_at_ms)), NULL);
}

enum err store_notice_sender_find(struct ctx *ctx, struct db *db, struct str user_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_SENDER_FIND, DB_ARGS(db_text(user_id)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_sender_list(struct ctx *ctx, struct db *db, struct str **out,
	size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_NOTICE_SENDER_LIST, DB_NO_ARGS, out, out_count);
}

enum err store_notice_sender_list_locked(struct ctx *ctx, struct tx *tx, struct str **out,
	size_t *out_count)
{
	return tx_query_texts(ctx, tx, STMT_NOTICE_SENDER_LIST, DB_NO_ARGS, out, out_count);
}

enum err store_notice_token_insert(struct ctx *ctx, struct db *db, struct str hash,
	const struct notice_token_row *row, int64_t *out_token_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_TOKEN_INSERT,
		DB_ARGS(db_bytes(hash), db_text(row->sender), db_text(row->targets), db_text(row->name),
			db_bigint(row->created_at_ms), db_bool(row->is_hook), db_bool(row->is_signed)),
		&rows));
	*out_token_id = db_int(rows, 0, 0);
	return ERR_OK;
}

static void read_tokens(struct ctx *ctx, const struct db_rows *rows, struct notice_token_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_token_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_token_row){
			.token_id = db_int(rows, i, 0),
			.sender = db_str(rows, i, 1),
			.targets = db_str(rows, i, 2),
			.name = db_str(rows, i, 3),
			.created_at_ms = db_int(rows, i, 4),
			.is_hook = db_is_true(rows, i, 5),
			.is_signed = db_is_true(rows, i, 6),
		};
	}
}

enum err store_notice_token_find(struct ctx *ctx, struct db *db, struct str hash, bool is_hook,
	struct notice_token_row *out)
{
	struct db_rows *rows;
	struct notice_token_row *tokens;
	size_t count;
	TRY(db_query(ctx, db, STMT_NOTICE_TOKEN_FIND, DB_ARGS(db_bytes(hash), db_bool(is_hook)),
		&rows));
	read_tokens(ctx, rows, &tokens, &count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = tokens[0];
	return ERR_OK;
}

enum err store_notice_token_list(struct ctx *ctx, struct db *db, struct notice_token_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_TOKEN_LIST, DB_NO_ARGS, &rows));
	read_tokens(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_notice_token_delete(struct ctx *ctx, struct db *db, int64_t token_id)
{
	int64_t affected;
	TRY(db_exec(ctx, db, STMT_NOTICE_TOKEN_DELETE, DB_ARGS(db_bigint(token_id)), &affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

/* --- notices ------------------------------------------------------------------------------------------------- */

static void read_notices(struct ctx *ctx, const struct db_rows *rows, struct notice_row **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_row){
			.notice_id = db_int(rows, i, 0),
			.sender = db_str(rows, i, 1),
			.texts = db_str(rows, i, 2),
			.state = db_str(rows, i, 3),
			.start_at = db_str(rows, i, 4),
			.zone = db_str(rows, i, 5),
			.rule = db_str(rows, i, 6),
			.except_at = db_str(rows, i, 7),
			.next_at_ms = db_int(rows, i, 8),
			.expires_at_ms = db_int(rows, i, 9),
			.created_at_ms = db_int(rows, i, 10),
			.is_pinned = db_is_true(rows, i, 11),
			.edits = db_int(rows, i, 12),
			.token_id = db_int(rows, i, 13),
		};
	}
}

enum err store_notice_find_request(struct ctx *ctx, struct db *db, int64_t token_id,
	struct str request_key, int64_t *out_notice_id, struct str *out_hash)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_FIND_REQUEST,
		DB_ARGS(db_bigint(token_id), db_text(request_key)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_notice_id = db_int(rows, 0, 0);
	*out_hash = db_str(rows, 0, 1);
	return ERR_OK;
}

enum err store_notice_insert(struct ctx *ctx, struct db *db, const struct notice_row *row,
	const struct notice_target_row *targets, size_t target_count, int64_t limit,
	int64_t *out_notice_id)
{
	struct db_rows *rows;
	struct str *names = ARENA_NEW_ARRAY(ctx->arena, struct str, target_count);
	struct str *languages = ARENA_NEW_ARRAY(ctx->arena, struct str, target_count);
	for (size_t i = 0; i < target_count; i++) {
		names[i] = targets[i].target;
		languages[i] = targets[i].languages;
	}
	TRY(db_query(ctx, db, STMT_NOTICE_INSERT,
		DB_ARGS(db_text(row->sender), db_text(row->texts), db_text(row->start_at),
			db_text(row->zone), db_text(row->rule), db_text(row->except_at),
			db_bigint_or_null(row->next_at_ms), db_bigint_or_null(row->expires_at_ms),
			db_bigint(row->created_at_ms), db_bigint_or_null(row->token_id),
			db_text(row->request_key), db_bigint(limit), db_texts(names, target_count),
			db_texts(languages, target_count), db_bytes(row->request_hash), db_text(row->state),
			db_bool(row->is_pinned), db_texts(row->media_ids, row->media_count)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_LIMIT;
	}
	*out_notice_id = db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_notice_get(struct ctx *ctx, struct db *db, int64_t notice_id, struct notice_row *out)
{
	struct db_rows *rows;
	struct notice_row *notices;
	size_t count;
	TRY(db_query(ctx, db, STMT_NOTICE_GET, DB_ARGS(db_bigint(notice_id)), &rows));
	read_notices(ctx, rows, &notices, &count);
	if (count == 0) {
		return ERR_MISSING;
	}
	*out = notices[0];
	return ERR_OK;
}

enum err store_notice_list(struct ctx *ctx, struct db *db, const struct notice_query *query,
	struct notice_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_LIST,
		DB_ARGS(db_text(query->sender), db_bigint(query->before), db_bigint(query->limit),
			query->targets != NULL ? db_texts(query->targets, query->target_count) : db_null()),
		&rows));
	read_notices(ctx, rows, out, out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i].given_up = db_int(rows, i, 14);
	}
	return ERR_OK;
}

enum err store_notice_attachments(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_NOTICE_ATTACHMENTS, DB_ARGS(db_bigint(notice_id)), out,
		out_count);
}

enum err store_notice_targets(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct notice_target_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_TARGETS, DB_ARGS(db_bigint(notice_id)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_target_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_target_row){db_str(rows, i, 0), db_str(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_notice_cancel(struct ctx *ctx, struct db *db, int64_t notice_id, struct str sender)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_CANCEL, DB_ARGS(db_bigint(notice_id), db_text(sender)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_notice_reschedule(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t was_due_ms, struct str start_at, int64_t next_at_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_RESCHEDULE,
		DB_ARGS(db_bigint(notice_id), db_bigint(was_due_ms), db_text(start_at),
			db_bigint(next_at_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

/* --- what is due ------------------------------------------------------------------------------------------------ */

enum err store_notice_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)), &rows));
	read_notices(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_notice_next(struct ctx *ctx, struct db *db, int64_t *out_ms)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_NEXT, DB_NO_ARGS, &rows));
	*out_ms = db_is_null(rows, 0, 0) ? INT64_MAX : db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_notice_move_on(struct ctx *ctx, struct db *db, const struct notice_step *step)
{
	return db_query(ctx, db, STMT_NOTICE_MOVE_ON,
		DB_ARGS(db_bigint(step->notice_id), db_bigint(step->was_due_ms),
			db_bigint_or_null(step->next_at_ms), db_text(step->state), db_bigint(step->due_ms),
			db_texts(step->rooms, step->room_count), db_texts(step->languages, step->room_count),
			db_texts(step->reasons, step->room_count)),
		NULL);
}

enum err store_notice_delivery_recall(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t longest_pause_ms)
{
	struct db_rows *rows;
	return db_query(ctx, db, STMT_NOTICE_DELIVERY_RECALL,
		DB_ARGS(db_bigint(now_ms), db_bigint(longest_pause_ms)), &rows);
}

enum err store_notice_delivery_due(struct ctx *ctx, struct db *db, int64_t now_ms, int64_t limit,
	struct notice_delivery_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_DELIVERY_DUE, DB_ARGS(db_bigint(now_ms), db_bigint(limit)),
		&rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_delivery_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_delivery_row){
			.notice_id = db_int(rows, i, 0),
			.due_at_ms = db_int(rows, i, 1),
			.room_id = db_str(rows, i, 2),
			.languages = db_str(rows, i, 3),
			.txn_key = db_str(rows, i, 4),
			.failures = db_int(rows, i, 5),
			.sender = db_str(rows, i, 6),
			.texts = db_str(rows, i, 7),
			.zone = db_str(rows, i, 8),
		};
	}
	return ERR_OK;
}

enum err store_notice_delivery_sent(struct ctx *ctx, struct db *db,
	const struct notice_delivery_row *row, struct str event_id, int64_t now_ms)
{
	return db_exec(ctx, db, STMT_NOTICE_DELIVERY_SENT,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->room_id),
			db_text(event_id), db_bigint(now_ms)),
		NULL);
}

enum err store_notice_delivery_failed(struct ctx *ctx, struct db *db,
	const struct notice_delivery_row *row, int64_t next_try_ms, struct str reason)
{
	return db_exec(ctx, db, STMT_NOTICE_DELIVERY_FAILED,
		DB_ARGS(db_bigint(row->notice_id), db_bigint(row->due_at_ms), db_text(row->room_id),
			db_bigint_or_null(next_try_ms), db_text(reason)),
		NULL);
}

enum err store_notice_delivery_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	int64_t limit, struct notice_outcome_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_NOTICE_DELIVERY_LIST,
		DB_ARGS(db_bigint(notice_id), db_bigint(limit)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_outcome_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_outcome_row){
			.due_at_ms = db_int(rows, i, 0),
			.room_id = db_str(rows, i, 1),
			.next_try_ms = db_int(rows, i, 2),
			.failures = db_int(rows, i, 3),
			.reason = db_str(rows, i, 4),
			.event_id = db_str(rows, i, 5),
			.sent_at_ms = db_int(rows, i, 6),
		};
	}
	return ERR_OK;
}
