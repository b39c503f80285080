/*
 * A database cluster is about 1,000 small files. Flushing each takes seconds on an ordinary disk, one
 * syncfs(2) for all a quarter of one; since Linux 5.8 it reports errors too.
 */
#include "app/postgres/tree_copy.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static enum err fail_tree(struct ctx *ctx, const char *action, const char *path)
{
	return fail(ctx, ERR_STORE, NULL, "cannot %s %s: %s", action, path,
		file_error_text(ctx->arena, errno));
}

/* By read and write, for file systems that cannot copy by themselves. */
static bool copy_plain(int from, int to)
{
	char bytes[65536];
	ssize_t got;
	while ((got = read(from, bytes, sizeof(bytes))) > 0) {
		for (ssize_t done = 0; done < got;) {
			ssize_t put = write(to, bytes + done, (size_t)(got - done));
			if (put < 0) {
				return false;
			}
			done += put;
		}
	}
	return got == 0;
}

static bool copy_contents(int from, int to, off_t size_bytes)
{
	off_t left = size_bytes;
	while (left > 0) {
		ssize_t done = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
		if (done <= 0) {
			bool is_unable = done == 0 || errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
				errno == EOPNOTSUPP;
			return is_unable && copy_plain(from, to);
		}
		left -= done;
	}
	return true;
}

static enum err copy_file(struct ctx *ctx, const char *from_path, const char *to_path,
	off_t size_bytes, const struct pg_account *account)
{
	int from CLEANUP(file_cleanup) = open(from_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0) {
		return fail_tree(ctx, "read", from_path);
	}
	int to CLEANUP(file_cleanup) = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0 || (account->is_other && fchown(to, account->uid, account->gid) != 0) ||
		!copy_contents(from, to, size_bytes)) {
		return fail_tree(ctx, "write", to_path);
	}
	return ERR_OK;
}

static enum err copy_folder(struct ctx *ctx, const char *to_path, const struct pg_account *account)
{
	if (mkdir(to_path, 0700) != 0 ||
		(account->is_other && chown(to_path, account->uid, account->gid) != 0)) {
		return fail_tree(ctx, "make", to_path);
	}
	return ERR_OK;
}

static void close_walk(FTS **walk)
{
	if (*walk != NULL) {
		(void)fts_close(*walk);
	}
}

static FTS *open_walk(struct arena *arena, const char *folder)
{
	char *roots[] = {arena_dup(arena, folder, strlen(folder)), NULL};
	return fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

enum err tree_copy(struct ctx *ctx, const char *from, const char *to,
	const struct pg_account *account)
{
	FTS *walk CLEANUP(close_walk) = open_walk(ctx->arena, from);
	if (walk == NULL) {
		return fail_tree(ctx, "read", from);
	}
	size_t root_length = strlen(from);
	for (FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
		const char *target = arena_printf(ctx->arena, "%s%s", to, entry->fts_path + root_length);
		if (entry->fts_info == FTS_D) {
			TRY(copy_folder(ctx, target, account));
		} else if (entry->fts_info == FTS_F) {
			TRY(copy_file(ctx, entry->fts_path, target, entry->fts_statp->st_size, account));
		} else if (entry->fts_info != FTS_DP) {
			errno = entry->fts_errno != 0 ? entry->fts_errno : EINVAL;
			return fail_tree(ctx, "copy", entry->fts_path);
		}
	}
	return ERR_OK;
}

enum err tree_flush(struct ctx *ctx, const char *folder)
{
	int fd CLEANUP(file_cleanup) = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) != 0) {
		return fail_tree(ctx, "flush", folder);
	}
	return ERR_OK;
}

enum err tree_rename(struct ctx *ctx, const char *from, const char *to)
{
	if (rename(from, to) != 0) {
		enum err kind = errno == ENOTEMPTY || errno == EEXIST ? ERR_CONFLICT : ERR_STORE;
		return fail(ctx, kind, NULL, "cannot rename %s to %s: %s", from, to,
			file_error_text(ctx->arena, errno));
	}
	const char *parent = dirname(arena_dup(ctx->arena, to, strlen(to)));
	int fd CLEANUP(file_cleanup) = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		return fail_tree(ctx, "flush", parent);
	}
	return ERR_OK;
}

void tree_remove(const char *folder)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	FTS *walk CLEANUP(close_walk) = open_walk(arena, folder);
	if (walk == NULL) {
		return;
	}
	for (FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
		if (entry->fts_info == FTS_DP) {
			(void)rmdir(entry->fts_accpath);
		} else if (entry->fts_info != FTS_D && entry->fts_info != FTS_NS) {
			(void)unlink(entry->fts_accpath);
		}
	}
}
