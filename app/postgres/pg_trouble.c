/*
 * A full disk is asked for, not read from the log: that lies on the same disk. PostgreSQL wants room for at least one segment of its log of changes and
 * for the files that it writes at every start, so a disk counts as full before nothing at all is left.
 */
#include "app/postgres/pg_trouble.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOG_TAIL_BYTES = 4096, MIB = 1 << 20, LEAST_ROOM_MIB = 16, LEAST_FILES = 16 };

struct str pg_trouble_last_words(struct ctx *ctx, const char *log_path)
{
	char tail[LOG_TAIL_BYTES];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t got = -1;
	if (fd >= 0 && fstat(fd, &status) == 0) {
		off_t from = status.st_size > LOG_TAIL_BYTES ? status.st_size - LOG_TAIL_BYTES : 0;
		got = pread(fd, tail, sizeof(tail), from);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	struct str rest = str_from(tail, got > 0 ? (size_t)got : 0);
	struct str words = STR("it ended at once");
	while (rest.n > 0) {
		struct str line;
		(void)str_split(rest, '\n', &line, &rest);
		if (str_contains(line, STR("FATAL")) || str_contains(line, STR("PANIC"))) {
			words = line;
		}
	}
	return str_dup(ctx->arena, words);
}

enum err pg_trouble_fail(struct ctx *ctx, const char *what, const char *folder,
	const char *log_path)
{
	struct statvfs disk;
	bool is_known = statvfs(folder, &disk) == 0;
	/* Some file systems count no files. */
	bool lacks_files = is_known && disk.f_files > 0 && disk.f_favail < LEAST_FILES;
	unsigned long long free_mib = is_known ? disk.f_bavail * disk.f_frsize / MIB : 0;
	unsigned long long all_mib = is_known ? disk.f_blocks * disk.f_frsize / MIB : 0;
	if (is_known && (free_mib < LEAST_ROOM_MIB || lacks_files)) {
		return fail(ctx, ERR_STORE, NULL,
			"the disk with %s is full: %llu of %llu MiB are free%s, and %s. Make room elsewhere on it, or enlarge it, and start "
			"again; delete nothing in the data folder by hand (docs/troubles.md) · 磁碟已滿，資料庫無法啟動：請清出其他空間或加大"
			"磁碟後再啟動，請勿自行刪除資料夾內的檔案",
			folder, free_mib, all_mib, lacks_files ? " and no more files can be made" : "", what);
	}
	return fail(ctx, ERR_STORE, NULL, "%s: %.*s (see %s)", what,
		STR_ARG(pg_trouble_last_words(ctx, log_path)), log_path);
}
