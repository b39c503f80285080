/**
 * Rows of the content repository. The files themselves lie in the media store (homeserver/media/).
 */
#ifndef BELFRY_STORAGE_MEDIA_H
#define BELFRY_STORAGE_MEDIA_H

#include "storage/db.h"

struct media_row {
	struct str user_id;      /**< p == NULL: nobody's here */
	struct str content_type; /**< p == NULL: none was given */
	struct str file_name;    /**< p == NULL: none was given */
	int64_t size_bytes;
	struct str sha256; /**< 32 bytes; p == NULL: not yet uploaded */
	int64_t created_ms;
	int64_t expires_ms; /**< of an id without content */
	bool is_open;       /**< without authentication too */
	bool is_quarantined;
	bool is_remote;  /**< a copy of another server's file */
	int64_t used_ms; /**< of copies: when somebody last wanted it, to the day */
};

/** Texts without NUL. Errors: CONFLICT when the id is taken; STORE. */
MUST_CHECK enum err store_media_insert(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, const struct media_row *row);

/**
 * An id without content.
 * @param limit  of such ids that a user may have
 * Errors: LIMIT (no fault text) when the user has that many; CONFLICT when the id is taken; STORE
 */
MUST_CHECK enum err store_media_reserve(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, const struct media_row *row, int64_t limit);

/**
 * Gives such an id its content: type, name, size and hash of the row.
 * Errors: MISSING (no fault text) when the user has no such id, it has content, or it has expired; STORE
 */
MUST_CHECK enum err store_media_fill(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, const struct media_row *row, int64_t now_ms);

/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_media_find(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, struct media_row *out);

/** Copies of other servers' files. One statement each. */
MUST_CHECK enum err store_media_set_used(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, int64_t used_ms);
/** Grows with the copies. */
MUST_CHECK enum err store_media_remote_total(struct ctx *ctx, struct db *db, int64_t *out_bytes);
struct media_copy {
	struct str origin;
	struct str media_id;
	int64_t size_bytes;
	struct str sha256;
	int64_t used_ms;
};
/** Those that were not used for the longest time, that one first; quarantined ones are left out. */
MUST_CHECK enum err store_media_remote_oldest(struct ctx *ctx, struct db *db, int64_t limit,
	struct media_copy **out, size_t *out_count);
/** Errors: MISSING (no fault text): there is none any more; STORE. */
MUST_CHECK enum err store_media_remote_delete(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id);

/** Grows with the user's files: a scan of their index entries. */
MUST_CHECK enum err store_media_usage(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out_files, int64_t *out_bytes);

/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_media_quarantine(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, bool is_quarantined);

/** Ids that expired without content before a time. */
MUST_CHECK enum err store_media_delete_expired(struct ctx *ctx, struct db *db, int64_t before_ms);

struct thumbnail_row {
	struct str content_type;
	int64_t size_bytes;
	struct str sha256; /**< 32 bytes; p == NULL: it cannot be made */
	bool is_too_large; /**< which is why */
};

/** @param variant  such as "96x96-crop". Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_thumbnail_find(struct ctx *ctx, struct db *db, struct str source_sha256,
	struct str variant, struct thumbnail_row *out);
/** All of one image. @param out  hashes of their contents */
MUST_CHECK enum err store_thumbnails_delete(struct ctx *ctx, struct db *db,
	struct str source_sha256, struct str **out, size_t *out_count);
/** Does nothing when there is one. */
MUST_CHECK enum err store_thumbnail_insert(struct ctx *ctx, struct db *db, struct str source_sha256,
	struct str variant, const struct thumbnail_row *row);

#endif
