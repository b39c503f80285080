/*
 * Key backups. What is inside is encrypted with a key that this server does not have.
 */
#include "e2ee/key_backup.h"

enum { ATTEMPTS = 5 };

int64_t key_backup_version(struct str text)
{
	int64_t version;
	return str_to_int(text, 1, INT64_MAX, &version) ? version : BACKUP_NEWEST;
}

static enum err refuse_missing(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such key backup");
}

/* --- versions -------------------------------------------------------------------------------------------- */

static enum err check_auth_data(struct ctx *ctx, struct str algorithm, const struct json *auth_data)
{
	if (algorithm.n == 0 || algorithm.n > BACKUP_NAME_MAX_BYTES ||
		str_find_byte(algorithm, '\0') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'algorithm' must have 1 to 255 bytes");
	}
	return json_raw(auth_data).n <= BACKUP_AUTH_DATA_MAX_BYTES
		? ERR_OK
		: fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "'auth_data' is too large");
}

enum err key_backup_create(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str algorithm, const struct json *auth_data, int64_t *out_version)
{
	TRY(check_auth_data(ctx, algorithm, auth_data));
	const struct backup_row row = {.algorithm = algorithm, .auth_data = json_raw(auth_data)};
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < ATTEMPTS && err == ERR_CONFLICT; i++) {
		err = store_key_backup_create(ctx, hs->db, user_id, &row, BACKUP_VERSIONS_MAX, out_version);
	}
	return err == ERR_LIMIT ? fail(ctx, ERR_DENIED, M_FORBIDDEN,
								  "You have %d key backups; delete old ones", BACKUP_VERSIONS_MAX)
							: err;
}

enum err key_backup_get(struct ctx *ctx, struct homeserver *hs, struct str user_id, int64_t version,
	struct backup_row *out)
{
	enum err err = store_key_backup_find(ctx, hs->db, user_id, version, out);
	if (err == ERR_MISSING || (err == ERR_OK && out->is_deleted)) {
		return refuse_missing(ctx);
	}
	return err;
}

/* A version that was named. */
static enum err get_named(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t version, struct backup_row *out)
{
	return version != BACKUP_NEWEST ? key_backup_get(ctx, hs, user_id, version, out)
									: refuse_missing(ctx);
}

enum err key_backup_update(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t version, struct str algorithm, const struct json *auth_data)
{
	struct backup_row row;
	TRY(check_auth_data(ctx, algorithm, auth_data));
	TRY(get_named(ctx, hs, user_id, version, &row));
	if (!str_equals(row.algorithm, algorithm)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The backup has another algorithm");
	}
	enum err err = store_key_backup_update(ctx, hs->db, user_id, version, json_raw(auth_data));
	return err == ERR_MISSING ? refuse_missing(ctx) : err;
}

enum err key_backup_delete(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t version)
{
	enum err err = version != BACKUP_NEWEST ? store_key_backup_delete(ctx, hs->db, user_id, version)
											: ERR_MISSING;
	return err == ERR_MISSING ? refuse_missing(ctx) : err;
}

/* --- keys --------------------------------------------------------------------------------------------------- */

static enum err refuse_version(struct ctx *ctx, int64_t current)
{
	enum err err = fail(ctx, ERR_DENIED, M_WRONG_ROOM_KEYS_VERSION,
		"Keys can only be added to the newest key backup");
	ctx->fault.extra = str_printf(ctx->arena, "\"current_version\":\"%lld\"", (long long)current);
	return err;
}

/* Nothing was put: there would be too many, or the backup ended at this moment. */
static enum err explain_refusal(struct ctx *ctx, struct homeserver *hs,
	const struct backup_span *span)
{
	struct backup_row newest;
	TRY(key_backup_get(ctx, hs, span->user_id, BACKUP_NEWEST, &newest));
	return newest.version != span->version
		? refuse_version(ctx, newest.version)
		: fail(ctx, ERR_DENIED, M_FORBIDDEN, "A key backup may have at most %d keys",
			  BACKUP_KEYS_MAX);
}

enum err key_backup_put(struct ctx *ctx, struct homeserver *hs, const struct backup_span *span,
	const struct backup_key *keys, size_t count, struct backup_row *out)
{
	enum err err = store_key_backup_put(ctx, hs->db, span, keys, count, BACKUP_KEYS_MAX, out);
	if (err == ERR_CONFLICT || err == ERR_MISSING) {
		return explain_refusal(ctx, hs, span);
	}
	TRY(err);
	if (out->version == BACKUP_NEWEST) {
		return refuse_missing(ctx);
	}
	return out->version == span->version ? ERR_OK : refuse_version(ctx, out->version);
}

/* No such text can be stored. */
static bool is_storable(struct str text)
{
	return text.p == NULL || str_find_byte(text, '\0') == SIZE_MAX;
}

static enum err refuse_key(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such key in the backup");
}

enum err key_backup_keys(struct ctx *ctx, struct homeserver *hs, const struct backup_span *span,
	struct backup_key **out, size_t *out_count)
{
	struct backup_row row;
	TRY(get_named(ctx, hs, span->user_id, span->version, &row));
	if (!is_storable(span->room_id) || !is_storable(span->session_id)) {
		return refuse_key(ctx);
	}
	TRY(store_key_backup_keys(ctx, hs->db, span, out, out_count));
	return *out_count == 0 && span->session_id.p != NULL ? refuse_key(ctx) : ERR_OK;
}

enum err key_backup_clear(struct ctx *ctx, struct homeserver *hs, const struct backup_span *span,
	struct backup_row *out)
{
	if (!is_storable(span->room_id) || !is_storable(span->session_id)) {
		return refuse_key(ctx);
	}
	enum err err = span->version != BACKUP_NEWEST ? store_key_backup_clear(ctx, hs->db, span, out)
												  : ERR_MISSING;
	return err == ERR_MISSING ? refuse_missing(ctx) : err;
}
