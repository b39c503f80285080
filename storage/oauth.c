/*
 * The OAuth 2.0 API. One statement per function.
 */
#include "storage/oauth.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static const struct str state_names[] = {
	[OAUTH_DEVICE_PENDING] = STR_INIT("pending"),
	[OAUTH_DEVICE_APPROVED] = STR_INIT("approved"),
	[OAUTH_DEVICE_DENIED] = STR_INIT("denied"),
};

/* A word that is none of them lets nobody in. */
static enum oauth_device_state state_parse(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(state_names); i++) {
		if (str_equals(name, state_names[i])) {
			return (enum oauth_device_state)i;
		}
	}
	return OAUTH_DEVICE_DENIED;
}

/* --- clients ---------------------------------------------------------------------------------------------- */

enum err store_oauth_client_register(struct ctx *ctx, struct db *db, struct str client_id,
	struct str metadata, int64_t used_ms, int64_t stale_ms)
{
	return db_exec(ctx, db, STMT_OAUTH_CLIENT_REGISTER,
		DB_ARGS(db_text(client_id), db_text(metadata), db_bigint(used_ms), db_bigint(stale_ms)),
		NULL);
}

enum err store_oauth_client_find(struct ctx *ctx, struct db *db, struct str client_id,
	struct str *out_metadata)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OAUTH_CLIENT_FIND, DB_ARGS(db_text(client_id)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_metadata = db_str(rows, 0, 0);
	return ERR_OK;
}

enum err store_oauth_client_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_OAUTH_CLIENT_DELETE_OLD, DB_ARGS(db_bigint(before_ms)), NULL);
}

/* --- devices ---------------------------------------------------------------------------------------------- */

enum err store_oauth_session_insert(struct ctx *ctx, struct tx *tx,
	const struct oauth_session_row *row)
{
	struct db_rows *rows;
	return tx_query(ctx, tx, STMT_OAUTH_SESSION_INSERT,
		DB_ARGS(db_text(row->user_id), db_text(row->device_id), db_text(row->client_id),
			db_bytes(row->family_hash), db_text(row->scope), db_bigint(row->now_ms),
			db_bigint(row->now_ms - DAY_MS)),
		&rows);
}

static enum err find_session(struct ctx *ctx, struct db *db, enum stmt_id stmt, struct db_args args,
	struct oauth_session_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, stmt, args, &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct oauth_session_row){
		.user_id = db_str(rows, 0, 0),
		.device_id = db_str(rows, 0, 1),
		.client_id = db_str(rows, 0, 2),
	};
	return ERR_OK;
}

enum err store_oauth_session_find(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct oauth_session_row *out)
{
	return find_session(ctx, db, STMT_OAUTH_SESSION_FIND,
		DB_ARGS(db_text(user_id), db_text(device_id)), out);
}

enum err store_oauth_session_by_family(struct ctx *ctx, struct db *db, struct str family_hash,
	struct oauth_session_row *out)
{
	return find_session(ctx, db, STMT_OAUTH_SESSION_BY_FAMILY, DB_ARGS(db_bytes(family_hash)), out);
}

enum err store_oauth_token_find(struct ctx *ctx, struct db *db, struct str token_hash,
	struct oauth_session_row *out)
{
	return find_session(ctx, db, STMT_OAUTH_TOKEN_FIND, DB_ARGS(db_bytes(token_hash)), out);
}

enum err store_oauth_consent_spend(struct ctx *ctx, struct tx *tx, struct str user_id,
	struct str hash, int64_t now_ms)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OAUTH_CONSENT_SPEND,
		DB_ARGS(db_text(user_id), db_bytes(hash), db_bigint(now_ms)), &rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

/* --- log-ins of devices without a browser -------------------------------------------------------------------- */

enum err store_oauth_device_grant_insert(struct ctx *ctx, struct db *db,
	const struct oauth_device_grant_row *row)
{
	int64_t affected = 0;
	TRY(db_exec(ctx, db, STMT_OAUTH_DEVICE_GRANT_INSERT,
		DB_ARGS(db_bytes(row->device_code_hash), db_text(row->user_code), db_text(row->client_id),
			db_text(row->scope), db_bigint(row->expires_at_ms)),
		&affected));
	return affected > 0 ? ERR_OK : ERR_CONFLICT;
}

enum err store_oauth_device_grant_poll(struct ctx *ctx, struct db *db, struct str device_code_hash,
	int64_t now_ms, struct oauth_device_grant_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OAUTH_DEVICE_GRANT_POLL,
		DB_ARGS(db_bytes(device_code_hash), db_bigint(now_ms)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct oauth_device_grant_row){
		.device_code_hash = device_code_hash,
		.client_id = db_str(rows, 0, 0),
		.scope = db_str(rows, 0, 1),
		.state = state_parse(db_str(rows, 0, 2)),
		.user_id = db_str(rows, 0, 3),
		.expires_at_ms = db_int(rows, 0, 4),
		.polled_at_ms = db_int(rows, 0, 5),
	};
	return ERR_OK;
}

enum err store_oauth_device_grant_find(struct ctx *ctx, struct db *db, struct str user_code,
	int64_t now_ms, struct oauth_device_grant_row *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_OAUTH_DEVICE_GRANT_FIND,
		DB_ARGS(db_text(user_code), db_bigint(now_ms)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out = (struct oauth_device_grant_row){
		.user_code = user_code,
		.client_id = db_str(rows, 0, 0),
		.scope = db_str(rows, 0, 1),
	};
	return ERR_OK;
}

enum err store_oauth_device_grant_decide(struct ctx *ctx, struct tx *tx, struct str user_code,
	struct str user_id, enum oauth_device_state state, int64_t now_ms)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_OAUTH_DEVICE_GRANT_DECIDE,
		DB_ARGS(db_text(user_code), db_text(user_id), db_text(state_names[state]),
			db_bigint(now_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_MISSING;
}

enum err store_oauth_device_grant_delete_old(struct ctx *ctx, struct db *db, int64_t before_ms)
{
	return db_exec(ctx, db, STMT_OAUTH_DEVICE_GRANT_DELETE_OLD, DB_ARGS(db_bigint(before_ms)),
		NULL);
}
