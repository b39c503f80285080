/*
 * Keys that identify. One statement per function.
 */
#include "storage/device_key.h"

enum err store_device_key_facts(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct device_key_facts *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_KEY_FACTS, DB_ARGS(db_text(user_id), db_text(device_id)),
		&rows));
	*out = (struct device_key_facts){
		.ed25519 = db_str(rows, 0, 0),
		.body = db_str(rows, 0, 1),
		.one_time_keys = db_int(rows, 0, 2),
		.is_cross_signing_name = db_is_true(rows, 0, 3),
		.signature = db_str(rows, 0, 4),
	};
	return ERR_OK;
}

static struct stored_key read_stored_key(const struct db_rows *rows, size_t i)
{
	struct stored_key key = {
		.kind = (enum stored_key_kind)db_int(rows, i, 0),
		.user_id = db_str(rows, i, 1),
		.id = db_str(rows, i, 2),
		.body = db_str(rows, i, 3),
	};
	switch (key.kind) {
	case STORED_DEVICE_KEY:
		key.display_name = db_str(rows, i, 4);
		break;
	case STORED_CROSS_KEY:
		key.public_key = db_str(rows, i, 4);
		break;
	case STORED_SIGNATURE:
		key.signer_user = db_str(rows, i, 4);
		key.signer_key = db_str(rows, i, 5);
		break;
	}
	return key;
}

enum err store_device_key_query(struct ctx *ctx, struct db *db, const struct str *user_ids,
	size_t count, struct str viewer, struct stored_key **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DEVICE_KEY_QUERY,
		DB_ARGS(db_texts(user_ids, count), db_text(viewer)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct stored_key, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = read_stored_key(rows, i);
	}
	return ERR_OK;
}

enum err store_device_key_end_account(struct ctx *ctx, struct db *db, struct str user_id)
{
	return db_exec(ctx, db, STMT_DEVICE_KEY_END_ACCOUNT, DB_ARGS(db_text(user_id)), NULL);
}

void store_device_key_set(struct write *write, struct str user_id, struct str device_id,
	struct str ed25519, struct str body)
{
	write_add(write, STMT_DEVICE_HOLD, DB_ARGS(db_text(user_id), db_text(device_id)));
	write_add(write, STMT_DEVICE_KEY_SET,
		DB_ARGS(db_text(user_id), db_text(device_id), db_text(ed25519), db_text(body)));
}

void store_cross_key_set(struct write *write, struct str user_id, struct str usage,
	struct str public_key, struct str body)
{
	write_add(write, STMT_CROSS_KEY_SET,
		DB_ARGS(db_text(user_id), db_text(usage), db_text(public_key), db_text(body)));
}

void store_key_signature_set(struct write *write, const struct key_signature_row *row)
{
	write_add(write, STMT_KEY_SIGNATURE_SET,
		DB_ARGS(db_text(row->target_user), db_text(row->target_key), db_text(row->signer_user),
			db_text(row->signer_key), db_text(row->signature)));
}
