/*
 * Users of identity providers. One statement per function.
 */
#include "storage/sso_identity.h"

enum err store_sso_identity_find(struct ctx *ctx, struct db *db,
	const struct sso_identity *identity, struct str *out_user_id)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SSO_IDENTITY_FIND,
		DB_ARGS(db_text(identity->provider), db_text(identity->subject)), &rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_user_id = db_str(rows, 0, 0);
	return ERR_OK;
}

enum err store_sso_identity_insert(struct ctx *ctx, struct tx *tx,
	const struct sso_identity *identity, struct str user_id, int64_t now_ms)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_SSO_IDENTITY_INSERT,
		DB_ARGS(db_text(identity->provider), db_text(identity->subject), db_text(user_id),
			db_bigint(now_ms)),
		&rows));
	return db_count(rows) > 0 ? ERR_OK : ERR_CONFLICT;
}
