/**
 * Key backups. Each function is one statement.
 */
#ifndef BELFRY_STORAGE_KEY_BACKUP_H
#define BELFRY_STORAGE_KEY_BACKUP_H

#include "matrix/key_backup.h"
#include "storage/db.h"

struct backup_row {
	int64_t version;
	struct str algorithm;
	struct str auth_data; /**< JSON object */
	int64_t etag;
	int64_t key_count;
	bool is_deleted;
};

/**
 * A new version.
 * @param most_alive  versions that a user may have
 * Errors: CONFLICT (another one at the same moment); LIMIT (no fault text); STORE
 */
MUST_CHECK enum err store_key_backup_create(struct ctx *ctx, struct db *db, struct str user_id,
	const struct backup_row *row, int64_t most_alive, int64_t *out_version);
/** @param version  0: the newest one alive. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_key_backup_find(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t version, struct backup_row *out);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_key_backup_update(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t version, struct str auth_data);
/** Deletes a version with its keys; one that is deleted stays so. Errors: MISSING (there never was one); STORE. */
MUST_CHECK enum err store_key_backup_delete(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t version);

/** Which keys of a version. */
struct backup_span {
	struct str user_id;
	int64_t version;
	struct str room_id;    /**< p == NULL: of all rooms */
	struct str session_id; /**< p == NULL: all of the room */
};

/**
 * Puts keys into the newest version, where they are better than what is there.
 * @param span  user and version
 * @param out   its `version` is the newest (0: none); etag and key_count are set when it is `version`: else nothing was put
 * Errors: CONFLICT when there would be more than `most_keys`; MISSING when the version ended at this moment (nothing was put); STORE
 */
MUST_CHECK enum err store_key_backup_put(struct ctx *ctx, struct db *db,
	const struct backup_span *span, const struct backup_key *keys, size_t count, int64_t most_keys,
	struct backup_row *out);

/** Keys sorted by room and session; borrowed from the result. */
MUST_CHECK enum err store_key_backup_keys(struct ctx *ctx, struct db *db,
	const struct backup_span *span, struct backup_key **out, size_t *out_count);
/** Deletes keys. @param out  etag and key_count. Errors: MISSING (no such version; no fault text); STORE. */
MUST_CHECK enum err store_key_backup_clear(struct ctx *ctx, struct db *db,
	const struct backup_span *span, struct backup_row *out);

#endif
