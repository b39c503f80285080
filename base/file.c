/*
 * Files by plain system calls. What a caller replaces is never seen half written: the new contents
 * get a name only after they are on disk, and the name is on disk before success is reported.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fault_point.h"
#include "base/vec.h"

enum { READ_BYTES = 65536 };

const char *file_error_text(struct arena *arena, int error_number)
{
	char text[128];
	const char *message = strerror_r(error_number, text, sizeof(text));
	return arena_dup(arena, message, strlen(message));
}

static enum err fail_io(struct ctx *ctx, const char *action, const char *path, int error_number)
{
	return fail_cause(ctx, ERR_STORE, "%s %s: %s", action, path,
		file_error_text(ctx->arena, error_number));
}

void file_cleanup(const int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
	}
}

/* Reads until the end or until more than the ceiling was seen. */
static enum err read_all(struct ctx *ctx, int fd, const char *path, size_t ceiling_bytes,
	struct buf *buf)
{
	for (;;) {
		size_t want = MIN_OF((size_t)READ_BYTES, ceiling_bytes + 1 - buf->n);
		char *at = buf_extend(buf, want);
		invariant(at != NULL);
		ssize_t got = FAULT_POINT("file.read") ? -1 : read(fd, at, want);
		int error_number = errno;
		buf->n -= want;
		if (got < 0 && error_number == EINTR) {
			continue;
		}
		if (got < 0) {
			return fail_io(ctx, "read", path, error_number);
		}
		if (got == 0) {
			return ERR_OK;
		}
		buf->n += (size_t)got;
		if (buf->n > ceiling_bytes) {
			enum err err =
				fail(ctx, ERR_LIMIT, NULL, "A file is larger than %zu bytes", ceiling_bytes);
			ctx->fault.cause = str_dup(ctx->arena, str_of(path));
			return err;
		}
	}
}

enum err file_read(struct ctx *ctx, const char *path, size_t ceiling_bytes, struct str *out)
{
	invariant(ceiling_bytes < SIZE_MAX / 2);
	int fd CLEANUP(file_cleanup) = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR) {
			return fail_io(ctx, "open", path, errno);
		}
		enum err err = fail(ctx, ERR_MISSING, NULL, "There is no such file");
		ctx->fault.cause = str_dup(ctx->arena, str_of(path));
		return err;
	}
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, ceiling_bytes + READ_BYTES + 1);
	TRY(read_all(ctx, fd, path, ceiling_bytes, &buf));
	*out = str_dup(ctx->arena, buf_str(&buf));
	return ERR_OK;
}

/* What makes names durable. A file system that cannot sync folders is taken as it is. @return errno, 0 when done */
static int sync_folder(const char *folder)
{
	int fd CLEANUP(file_cleanup) = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return errno;
	}
	return fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
}

static int sync_folder_of(struct arena *arena, const char *path)
{
	return sync_folder(dirname(str_cstr(arena, str_of(path))));
}

enum err file_sync_folder(struct ctx *ctx, const char *folder)
{
	int error_number = sync_folder(folder);
	return error_number == 0 ? ERR_OK : fail_io(ctx, "sync", folder, error_number);
}

static int write_all(int fd, struct str contents)
{
	while (contents.n > 0) {
		if (FAULT_POINT("file.write")) {
			return ENOSPC;
		}
		ssize_t done = write(fd, contents.p, contents.n);
		if (done < 0 && errno != EINTR) {
			return errno;
		}
		size_t written = done < 0 ? 0 : (size_t)done;
		contents = str_slice(contents, written, contents.n);
	}
	return 0;
}

/* Fills the temporary file and makes it durable. @return errno, 0 when done */
static int fill(int fd, struct str contents, unsigned mode)
{
	if (fchmod(fd, (mode_t)mode) != 0) {
		return errno;
	}
	int error_number = write_all(fd, contents);
	if (error_number != 0) {
		return error_number;
	}
	return !FAULT_POINT("file.fsync") && fsync(fd) == 0 ? 0 : (errno != 0 ? errno : EIO);
}

enum err file_write_atomic(struct ctx *ctx, const char *path, struct str contents, unsigned mode)
{
	char *temporary = arena_printf(ctx->arena, "%s.tmp.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		return fail_io(ctx, "create", path, errno);
	}
	int error_number = fill(fd, contents, mode);
	if (close(fd) != 0 && error_number == 0) {
		error_number = errno;
	}
	if (error_number == 0 && (FAULT_POINT("file.rename") || rename(temporary, path) != 0)) {
		error_number = errno != 0 ? errno : EIO;
	}
	if (error_number != 0) {
		(void)unlink(temporary);
		return fail_io(ctx, "write", path, error_number);
	}
	error_number = sync_folder_of(ctx->arena, path);
	return error_number == 0 ? ERR_OK : fail_io(ctx, "sync the folder of", path, error_number);
}

static bool is_folder(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

enum err file_make_folder(struct ctx *ctx, const char *path, unsigned mode)
{
	char *partial = str_cstr(ctx->arena, str_of(path));
	size_t length = strlen(partial);
	for (size_t i = 1; i <= length; i++) {
		if (i < length && partial[i] != '/') {
			continue;
		}
		char saved = partial[i];
		partial[i] = '\0';
		if (mkdir(partial, (mode_t)mode) != 0) {
			int error_number = errno;
			if (!is_folder(partial)) {
				return fail_io(ctx, "make folder", partial, error_number);
			}
		}
		partial[i] = saved;
	}
	return ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void close_folder(DIR **folder)
{
	if (*folder != NULL) {
		(void)closedir(*folder);
	}
}

enum err file_list_folder(struct ctx *ctx, const char *folder, size_t ceiling, struct str **out,
	size_t *out_count)
{
	VEC(struct str) names = {0};
	DIR *opened CLEANUP(close_folder) = opendir(folder);
	if (opened == NULL) {
		int error_number = errno;
		return error_number == ENOENT ? ERR_MISSING : fail_io(ctx, "read", folder, error_number);
	}
	errno = 0;
	for (struct dirent *entry = readdir(opened);
		 entry != NULL;             // NOLINT(concurrency-mt-unsafe): our own
		 entry = readdir(opened)) { // NOLINT(concurrency-mt-unsafe)
		if (entry->d_name[0] == '.') {
			continue;
		}
		if (names.n == ceiling) {
			return ERR_LIMIT;
		}
		VEC_PUSH(ctx->arena, &names, str_dup(ctx->arena, str_of(entry->d_name)));
	}
	if (errno != 0) {
		return fail_io(ctx, "read", folder, errno);
	}
	if (names.n > 0) {
		qsort(names.p, names.n, sizeof(*names.p), compare_names);
	}
	*out = names.p;
	*out_count = names.n;
	return ERR_OK;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
