/*
 * Profile fields. One statement per function.
 */
#include "storage/profile.h"

#include "base/json.h"

enum err store_profile_all(struct ctx *ctx, struct db *db, struct str user_id,
	struct profile_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_PROFILE_ALL, DB_ARGS(db_text(user_id)), &rows));
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct profile_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct profile_row){db_str(rows, i, 0), db_str(rows, i, 1)};
	}
	return ERR_OK;
}

static struct str text_of(struct arena *arena, struct str value)
{
	struct json parsed;
	if (json_parse(arena, value, NULL, &parsed, NULL) != JSON_OK || parsed.type != JSON_STRING) {
		return str_from(NULL, 0);
	}
	return json_text(&parsed);
}

enum err store_profile_get(struct ctx *ctx, struct db *db, struct str user_id,
	struct str *out_displayname, struct str *out_avatar_url)
{
	struct profile_row *rows;
	size_t count;
	TRY(store_profile_all(ctx, db, user_id, &rows, &count));
	*out_displayname = str_from(NULL, 0);
	*out_avatar_url = str_from(NULL, 0);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rows[i].field, STR("displayname"))) {
			*out_displayname = text_of(ctx->arena, rows[i].value);
		} else if (str_equals(rows[i].field, STR("avatar_url"))) {
			*out_avatar_url = text_of(ctx->arena, rows[i].value);
		}
	}
	return ERR_OK;
}

enum err store_profile_set(struct ctx *ctx, struct db *db, struct str user_id, struct str field,
	struct str value)
{
	return db_exec(ctx, db, STMT_PROFILE_SET,
		DB_ARGS(db_text(user_id), db_text(field), db_text(value)), NULL);
}

enum err store_profile_delete(struct ctx *ctx, struct db *db, struct str user_id, struct str field)
{
	return db_exec(ctx, db, STMT_PROFILE_DELETE, DB_ARGS(db_text(user_id), db_text(field)), NULL);
}

enum err store_profile_delete_all(struct ctx *ctx, struct db *db, struct str user_id)
{
	return db_exec(ctx, db, STMT_PROFILE_DELETE_ALL, DB_ARGS(db_text(user_id)), NULL);
}
