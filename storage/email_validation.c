/*
 * Validations of e-mail addresses. One statement per function but for the beginning.
 */
#include "storage/email_validation.h"

static const struct str purpose_names[] = {
	[EMAIL_REGISTER] = STR_INIT("register"),
	[EMAIL_ADD] = STR_INIT("add"),
	[EMAIL_PASSWORD] = STR_INIT("password"),
};

/* A word that is none of them is of no use to anybody. */
static enum email_purpose purpose_parse(struct str name)
{
	size_t i = 0;
	while (i + 1 < COUNT_OF(purpose_names) && !str_equals(name, purpose_names[i])) {
		i++;
	}
	return (enum email_purpose)i;
}

enum err store_email_validation_mails(struct ctx *ctx, struct db *db, struct str address,
	int64_t since_ms, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EMAIL_VALIDATION_MAILS,
		DB_ARGS(db_text(address), db_bigint(since_ms)), &rows));
	*out = db_int(rows, 0, 0);
	return ERR_OK;
}

enum err store_email_validation_begin(struct ctx *ctx, struct db *db,
	const struct email_validation_row *row, struct str *out_sid, bool *out_send)
{
	struct db_rows *rows;
	struct str purpose = purpose_names[row->purpose];
	TRY(db_query(ctx, db, STMT_EMAIL_VALIDATION_BEGIN,
		DB_ARGS(db_text(row->sid), db_text(purpose), db_text(row->address),
			db_bytes(row->client_secret_hash), db_bytes(row->token_hash), db_bool(row->is_refused),
			db_bigint(row->send_attempt), db_text(row->next_link), db_bigint(row->now_ms),
			db_bigint(row->expires_at_ms)),
		&rows));
	*out_send = db_count(rows) > 0;
	if (!*out_send) {
		TRY(db_query(ctx, db, STMT_EMAIL_VALIDATION_SID,
			DB_ARGS(db_text(row->address), db_bytes(row->client_secret_hash), db_text(purpose)),
			&rows));
	}
	*out_sid = db_count(rows) > 0 ? db_str(rows, 0, 0) : row->sid;
	return ERR_OK;
}

enum err store_email_validation_unsent(struct ctx *ctx, struct db *db, struct str sid,
	int64_t send_attempt)
{
	return db_exec(ctx, db, STMT_EMAIL_VALIDATION_UNSENT,
		DB_ARGS(db_text(sid), db_bigint(send_attempt)), NULL);
}

enum err store_email_validation_peek(struct ctx *ctx, struct db *db, struct str sid,
	struct str token_hash, int64_t now_ms, struct email_validation_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EMAIL_VALIDATION_PEEK,
		DB_ARGS(db_text(sid), db_bytes(token_hash), db_bigint(now_ms)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct email_validation_row){
		.sid = sid,
		.address = db_str(rows, 0, 0),
		.purpose = purpose_parse(db_str(rows, 0, 1)),
		.next_link = db_str(rows, 0, 2),
	};
	return ERR_OK;
}

enum err store_email_validation_confirm(struct ctx *ctx, struct db *db, struct str sid,
	struct str token_hash, int64_t now_ms, int64_t expires_at_ms)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_EMAIL_VALIDATION_CONFIRM,
		DB_ARGS(db_text(sid), db_bytes(token_hash), db_bigint(now_ms), db_bigint(expires_at_ms)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_MISSING;
}

/* The one that a statement has found or taken away, if any. */
static enum err read_one(const struct db_rows *rows, enum email_purpose purpose, struct str sid,
	struct email_validation_row *out)
{
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct email_validation_row){
		.sid = sid,
		.purpose = purpose,
		.address = db_str(rows, 0, 0),
		.validated_at_ms = db_int(rows, 0, 1),
	};
	return ERR_OK;
}

enum err store_email_validation_find(struct ctx *ctx, struct db *db, enum email_purpose purpose,
	struct str sid, struct str client_secret_hash, int64_t now_ms, struct email_validation_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EMAIL_VALIDATION_FIND,
		DB_ARGS(db_text(purpose_names[purpose]), db_text(sid), db_bytes(client_secret_hash),
			db_bigint(now_ms)),
		&rows));
	return read_one(rows, purpose, sid, out);
}

enum err store_email_validation_take(struct ctx *ctx, struct tx *tx, enum email_purpose purpose,
	struct str sid, struct str client_secret_hash, int64_t now_ms, struct email_validation_row *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_EMAIL_VALIDATION_TAKE,
		DB_ARGS(db_text(purpose_names[purpose]), db_text(sid), db_bytes(client_secret_hash),
			db_bigint(now_ms)),
		&rows));
	return read_one(rows, purpose, sid, out);
}

enum err store_email_validation_take_link(struct ctx *ctx, struct tx *tx,
	enum email_purpose purpose, struct str sid, struct str token_hash, int64_t now_ms,
	struct email_validation_row *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_EMAIL_VALIDATION_TAKE_LINK,
		DB_ARGS(db_text(purpose_names[purpose]), db_text(sid), db_bytes(token_hash),
			db_bigint(now_ms)),
		&rows));
	return read_one(rows, purpose, sid, out);
}

enum err store_email_validation_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_EMAIL_VALIDATION_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}
