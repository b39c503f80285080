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

/**
 * Texts without NUL. What is quarantined stays so under another id. Errors: CONFLICT when the id is taken; STORE.
 * @param out_was_removed  the content was removed from the store a moment ago: it has to be kept again
 */
MUST_CHECK enum err store_media_insert(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, const struct media_row *row, bool *out_was_removed);

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
	struct str media_id, const struct media_row *row, int64_t now_ms, bool *out_was_removed);

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

/** Of the file and of all with the same content. Errors: MISSING (no fault text); STORE. */
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
/**
 * Does nothing when there is one, or when the file was deleted meanwhile.
 * @param out_was_removed  as with store_media_insert()
 */
MUST_CHECK enum err store_thumbnail_insert(struct ctx *ctx, struct db *db, struct str source_sha256,
	struct str variant, const struct thumbnail_row *row, int64_t now_ms, bool *out_was_removed);

/* --- administration ------------------------------------------------------------------------------ */

/** Puts all files of a user in quarantine, and others with the same content. @param out_count  how many were not */
MUST_CHECK enum err store_media_quarantine_user(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t *out_count);

/** Deletes a row; content that nothing else has is garbage from then on. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_media_delete(struct ctx *ctx, struct db *db, struct str origin,
	struct str media_id, int64_t now_ms);
/** The oldest `limit` of a user. @param out_ids  media ids */
MUST_CHECK enum err store_media_delete_user(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t limit, int64_t now_ms, struct str **out_ids, size_t *out_count);

struct media_listed {
	struct str origin;
	struct str media_id;
	struct media_row row; /**< without hash and expiry */
};
/**
 * `limit` uploaded files from number `from` on, newest first, those of one millisecond by media id and origin.
 * @param user_id  p == NULL: of all, which sorts them all
 */
MUST_CHECK enum err store_media_list(struct ctx *ctx, struct db *db, struct str user_id,
	int64_t limit, int64_t from, struct media_listed **out, size_t *out_count);

/**
 * Content that may be removed from the store; nobody else has it until the transaction ends, and whoever stores the same content
 * meanwhile waits for that. Errors: MISSING (no fault text) when there is none; STORE.
 * @param out_is_wanted  something refers to it after all. Two round trips.
 */
MUST_CHECK enum err store_media_garbage_take(struct ctx *ctx, struct tx *tx, int64_t now_ms,
	struct str *out_sha256, bool *out_is_wanted);
/** What became of it: it stays, or was removed. */
MUST_CHECK enum err store_media_garbage_done(struct ctx *ctx, struct tx *tx, struct str sha256,
	bool is_wanted, int64_t now_ms);
/** Forgets what was removed before a time. */
MUST_CHECK enum err store_media_garbage_forget(struct ctx *ctx, struct db *db, int64_t before_ms);

#endif
