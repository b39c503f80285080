/**
 * Where the bytes of media lie, under their SHA-256: the same content once; copies of other servers' files under names of their own. Two kinds: a folder (media_disk), and a
 * bucket of an S3-compatible service (media_s3). Which content is still wanted stands in the database.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_STORE_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_STORE_H

#include "http/call.h"

/** Content, and what is wanted of it. */
struct media_content {
	struct str name; /**< in the store, 32 bytes */
	int64_t size_bytes;
	bool is_named_by_hash; /**< the name is its SHA-256; else one that media_own_name() gave */
	int64_t begin, end;    /**< the bytes that are wanted */
};

struct media_store {
	void *self;

	/** Makes what it needs, before any request; NULL: nothing. Errors: STORE. */
	enum err (*start)(void *self, struct ctx *ctx);

	/**
	 * Keeps a complete file under a name; on return it survives a crash. Having it already is fine. The file at file->path may
	 * be gone afterwards. Errors: STORE (the cause says).
	 */
	enum err (*keep)(void *self, struct ctx *ctx, const struct body_file *file, struct str name);

	/**
	 * Opens content that lies on this machine.
	 * @param out_fd   the caller's to close
	 * Errors: MISSING (no fault text) if it does not; STORE
	 */
	enum err (*open)(void *self, struct ctx *ctx, struct str name, int *out_fd);

	/**
	 * Brings content here from afar, or only a part of it: then the file has that where it lies in the whole, and holes elsewhere.
	 * NULL: all lies on this machine. Errors: MISSING (no fault text) if it is not there either; CONFLICT if only all of it can be had,
	 * which gives_parts() tells from then on; STORE; SHUTDOWN
	 */
	enum err (
		*fetch)(void *self, struct ctx *ctx, const struct media_content *content, int *out_fd);

	/** Whether fetch() may be asked for a part, as far as is known; NULL as fetch. */
	bool (*gives_parts)(void *self);

	/** Removes content. One that is not there is fine. Errors: STORE. */
	enum err (*remove)(void *self, struct ctx *ctx, struct str name);

	void (*destroy)(void *self);
};

/** A name in hexadecimal, in the arena. */
struct str media_hash_text(struct arena *arena, struct str sha256);

struct media;
/**
 * Objects of the configured bucket.
 * @param folder  for what was used lately
 */
struct media_store media_s3_create(struct media *media, const char *folder);

/** Files in an existing folder: FOLDER/ab/cd/ef…. */
struct media_store media_disk_create(const char *folder);

#endif
