/**
 * Files: whole reads, atomic replacement, secrets with mode 0600.
 */
#ifndef BELFRY_BASE_FILE_H
#define BELFRY_BASE_FILE_H

#include "base/ctx.h"

/**
 * Reads a whole file of at most `ceiling_bytes` into the arena (NUL-terminated beyond its length).
 * Errors: MISSING if there is none; LIMIT if larger; STORE otherwise (the cause names path and reason).
 */
MUST_CHECK enum err file_read(struct ctx *ctx, const char *path, size_t ceiling_bytes,
	struct str *out);

/**
 * Writes a file so that after a crash either the old or the new contents stand there: temporary file,
 * fsync, rename, fsync of the folder.
 * @param mode  e.g. 0600 for secrets
 */
MUST_CHECK enum err file_write_atomic(struct ctx *ctx, const char *path, struct str contents,
	unsigned mode);

/** Makes a folder and its parents; an existing one is fine. */
MUST_CHECK enum err file_make_folder(struct ctx *ctx, const char *path, unsigned mode);

/** Makes the names in a folder durable. Errors: STORE. */
MUST_CHECK enum err file_sync_folder(struct ctx *ctx, const char *folder);

/**
 * Names in a folder, sorted, without those that begin with a dot; in the arena.
 * Errors: MISSING if there is none; LIMIT if more than `ceiling`; STORE
 */
MUST_CHECK enum err file_list_folder(struct ctx *ctx, const char *folder, size_t ceiling,
	struct str **out, size_t *out_count);

/** Whether there is something of that name now, of whatever kind; false too where the folder may not be looked into. */
bool file_exists(const char *path);

/** For CLEANUP(): closes a file descriptor; nothing when it is negative. */
void file_cleanup(const int *fd);

/** strerror in the arena, thread-safe. */
const char *file_error_text(struct arena *arena, int error_number);

#endif
