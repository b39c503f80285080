/**
 * Key backups: /room_keys.
 * Spec: client-server API, "Server-side key backups"
 */
#ifndef BELFRY_E2EE_KEY_BACKUP_H
#define BELFRY_E2EE_KEY_BACKUP_H

#include "e2ee/e2ee.h"
#include "storage/key_backup.h"

enum {
	BACKUP_NEWEST = 0,        /**< no version is called so: the newest one alive, or none */
	BACKUP_VERSIONS_MAX = 50, /**< of one user, not deleted */
	BACKUP_KEYS_MAX = 500000, /**< in one version */
};

/** A version as clients write it; BACKUP_NEWEST for what is none. */
int64_t key_backup_version(struct str text);

/** @param algorithm, auth_data  as in the body. Errors: INPUT M_INVALID_PARAM, M_TOO_LARGE; DENIED M_FORBIDDEN; STORE. */
MUST_CHECK enum err key_backup_create(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str algorithm, const struct json *auth_data, int64_t *out_version);
/** @param version  BACKUP_NEWEST, or a number. Errors: MISSING M_NOT_FOUND; STORE. */
MUST_CHECK enum err key_backup_get(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t version, struct backup_row *out);
/** Errors: MISSING M_NOT_FOUND; INPUT M_INVALID_PARAM (another algorithm), M_TOO_LARGE; STORE. */
MUST_CHECK enum err key_backup_update(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t version, struct str algorithm, const struct json *auth_data);
/** Errors: MISSING M_NOT_FOUND when there never was such a version; STORE. */
MUST_CHECK enum err key_backup_delete(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t version);

/**
 * Puts keys into the newest version; of two keys of one session the better stays.
 * @param out  etag and key_count
 * Errors: DENIED M_WRONG_ROOM_KEYS_VERSION with current_version; MISSING M_NOT_FOUND (no backup at all); DENIED
 * M_FORBIDDEN; STORE
 * Cost: one round trip.
 */
MUST_CHECK enum err key_backup_put(struct ctx *ctx, struct homeserver *hs,
	const struct backup_span *span, const struct backup_key *keys, size_t count,
	struct backup_row *out);
/** Errors: MISSING M_NOT_FOUND (no such version; no such session where one is asked for); STORE. Two round trips. */
MUST_CHECK enum err key_backup_keys(struct ctx *ctx, struct homeserver *hs,
	const struct backup_span *span, struct backup_key **out, size_t *out_count);
/** Deletes keys. @param out  etag and key_count. Errors: MISSING M_NOT_FOUND (no such version); STORE. */
MUST_CHECK enum err key_backup_clear(struct ctx *ctx, struct homeserver *hs,
	const struct backup_span *span, struct backup_row *out);

#endif
