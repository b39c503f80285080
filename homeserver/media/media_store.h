/**
 * Where the bytes of media lie, under their SHA-256: the same content once. Two kinds: a folder (media_disk), and a
 * bucket of an S3-compatible service (media_s3). Which content is still wanted stands in the database.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_MEDIA_STORE_H
#define BELFRY_HOMESERVER_MEDIA_MEDIA_STORE_H

#include "http/call.h"

struct media_store {
	void *self;

	/** Makes what it needs, before any request; NULL: nothing. Errors: STORE. */
	enum err (*start)(void *self, struct ctx *ctx);

	/**
	 * Keeps a complete file; on return it survives a crash. Having it already is fine. The file at file->path may be
	 * gone afterwards. Errors: STORE (the cause says).
	 */
	enum err (*keep)(void *self, struct ctx *ctx, const struct body_file *file);

	/**
	 * Opens content for reading.
	 * @param sha256   32 bytes
	 * @param out_fd   the caller's to close
	 * Errors: MISSING (no fault text) if it is not there; STORE
	 */
	enum err (*open)(void *self, struct ctx *ctx, struct str sha256, int *out_fd);

	/** Removes content. One that is not there is fine. Errors: STORE. */
	enum err (*remove)(void *self, struct ctx *ctx, struct str sha256);

	void (*destroy)(void *self);
};

/** Hexadecimal, in the arena. */
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
