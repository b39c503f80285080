/*
 * Accounts. One statement per function. A row is never deleted, so that a name is given out once only; a
 * deactivated account stays deactivated, which each changing statement checks itself.
 */
#include "storage/account.h"

static const char *const state_names[] = {
	[ACCOUNT_ACTIVE] = "active",
	[ACCOUNT_LOCKED] = "locked",
	[ACCOUNT_DEACTIVATED] = "deactivated",
};

const char *account_state_name(enum account_state state)
{
	return state_names[state];
}

enum account_state account_state_parse(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(state_names); i++) {
		if (str_equals(name, str_of(state_names[i]))) {
			return (enum account_state)i;
		}
	}
	return ACCOUNT_DEACTIVATED;
}

static struct account_row read_account(const struct db_rows *rows, size_t i)
{
	return (struct account_row){
		.user_id = db_str(rows, i, 0),
		.password_hash = db_str(rows, i, 1),
		.state = account_state_parse(db_str(rows, i, 2)),
		.is_admin = db_is_true(rows, i, 3),
		.is_guest = db_is_true(rows, i, 4),
		.is_erased = db_is_true(rows, i, 5),
		.created_at_ms = db_int(rows, i, 6),
		.is_suspended = db_is_true(rows, i, 7),
	};
}

enum err store_account_insert(struct ctx *ctx, struct tx *tx, const struct account_row *row)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_ACCOUNT_INSERT,
		DB_ARGS(db_text(row->user_id), db_text(row->password_hash), db_bool(row->is_admin),
			db_bool(row->is_guest), db_bigint(row->created_at_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_CONFLICT;
}

static enum err read_one(const struct db_rows *rows, struct account_row *out)
{
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = read_account(rows, 0);
	return ERR_OK;
}

enum err store_account_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct account_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ACCOUNT_FIND, DB_ARGS(db_text(user_id)), &rows));
	return read_one(rows, out);
}

enum err store_account_lock(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct account_row *out)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_ACCOUNT_LOCK, DB_ARGS(db_text(user_id)), &rows));
	return read_one(rows, out);
}

enum err store_account_list(struct ctx *ctx, struct db *db, struct str after, int64_t limit,
	struct account_row **out, size_t *out_count)
{
	struct db_rows *rows;
	struct str from = after.p != NULL ? after : STR("");
	TRY(db_query(ctx, db, STMT_ACCOUNT_LIST, DB_ARGS(db_text(from), db_bigint(limit)), &rows));
	size_t n = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct account_row, n + 1);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = read_account(rows, i);
	}
	*out_count = n;
	return ERR_OK;
}

/* A statement that changes one account and returns its row. */
static enum err change(struct ctx *ctx, struct tx *tx, enum stmt_id stmt, struct db_args args)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, stmt, args, &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_account_end_guesthood(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str password_hash)
{
	return change(ctx, tx, STMT_ACCOUNT_END_GUESTHOOD,
		DB_ARGS(db_text(user_id), db_text(password_hash)));
}

enum err store_account_set_password(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str password_hash)
{
	return change(ctx, tx, STMT_ACCOUNT_SET_PASSWORD,
		DB_ARGS(db_text(user_id), db_text(password_hash)));
}

enum err store_account_set_state(struct ctx *ctx, struct tx *tx, struct str user_id,
	enum account_state state)
{
	invariant(state != ACCOUNT_DEACTIVATED);
	return change(ctx, tx, STMT_ACCOUNT_SET_STATE,
		DB_ARGS(db_text(user_id), db_text(str_of(account_state_name(state)))));
}

enum err store_account_set_suspended(struct ctx *ctx, struct tx *tx, struct str user_id,
	bool is_suspended)
{
	return change(ctx, tx, STMT_ACCOUNT_SET_SUSPENDED,
		DB_ARGS(db_text(user_id), db_bool(is_suspended)));
}

enum err store_account_set_admin(struct ctx *ctx, struct tx *tx, struct str user_id, bool is_admin)
{
	return change(ctx, tx, STMT_ACCOUNT_SET_ADMIN, DB_ARGS(db_text(user_id), db_bool(is_admin)));
}

enum err store_account_deactivate(struct ctx *ctx, struct tx *tx, struct str user_id, bool erase)
{
	return change(ctx, tx, STMT_ACCOUNT_DEACTIVATE, DB_ARGS(db_text(user_id), db_bool(erase)));
}

enum err store_account_erased(struct ctx *ctx, struct db *db, struct erased_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ACCOUNT_ERASED, DB_NO_ARGS, &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct erased_row, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct erased_row){db_str(rows, i, 0), db_int(rows, i, 1)};
	}
	return ERR_OK;
}

enum err store_account_guests(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_ACCOUNT_GUESTS, DB_ARGS(db_texts(user_ids, count)), out,
		out_count);
}

enum err store_account_leaving(struct ctx *ctx, struct db *db, struct str after, int64_t limit,
	struct str **out, size_t *out_count)
{
	return db_query_texts(ctx, db, STMT_ACCOUNT_LEAVING, DB_ARGS(db_text(after), db_bigint(limit)),
		out, out_count);
}

enum err store_account_left(struct ctx *ctx, struct db *db, struct str user_id)
{
	return db_exec(ctx, db, STMT_ACCOUNT_LEFT, DB_ARGS(db_text(user_id)), NULL);
}

enum err store_session_epoch(struct ctx *ctx, struct db *db, int64_t *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SESSION_EPOCH_GET, DB_NO_ARGS, &rows));
	*out = db_count(rows) > 0 ? db_int(rows, 0, 0) : 0;
	return ERR_OK;
}

enum err store_session_epoch_next(struct ctx *ctx, struct tx *tx)
{
	struct db_rows *rows;
	return tx_query(ctx, tx, STMT_SESSION_EPOCH_NEXT, DB_NO_ARGS, &rows);
}
