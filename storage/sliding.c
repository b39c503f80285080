/*
 * Positions of sliding sync. One statement per function.
 */
#include "storage/sliding.h"

enum err store_sliding_find(struct ctx *ctx, struct db *db,
	const struct sliding_connection *connection, int64_t position_nid, struct str *out_state)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SLIDING_FIND,
		DB_ARGS(db_text(connection->user_id), db_text(connection->device_id),
			db_text(connection->conn_id), db_bigint(position_nid)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_MISSING;
	}
	*out_state = db_str(rows, 0, 0);
	return ERR_OK;
}

enum err store_sliding_add(struct ctx *ctx, struct db *db,
	const struct sliding_connection *connection, int64_t came_with, struct str state,
	int64_t *out_nid)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SLIDING_ADD,
		DB_ARGS(db_text(connection->user_id), db_text(connection->device_id),
			db_text(connection->conn_id), db_bigint(came_with), db_bytes(state),
			db_bigint(SLIDING_CONNECTIONS_MAX)),
		&rows));
	if (db_count(rows) == 0) {
		return ERR_CONFLICT;
	}
	*out_nid = db_int(rows, 0, 0);
	return ERR_OK;
}
