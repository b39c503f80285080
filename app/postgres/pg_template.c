/*
 * The cache: $CACHE_DIRECTORY (systemd), $XDG_CACHE_HOME/belfry, for root /var/cache/belfry, else
 * ~/.cache/belfry. In it one folder for each version of PostgreSQL and of the schema, and a file `lock`: held
 * shared while copying, alone while a template is made or old ones are removed.
 *
 * All clusters copied from one template share PostgreSQL's "system identifier"; it only matters to
 * replication between clusters, which embedded ones do not do.
 */
#include "app/postgres/pg_template.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/postgres/pg_child.h"
#include "app/postgres/pg_postmaster.h"
#include "app/postgres/pg_trouble.h"
#include "app/postgres/tree_copy.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum {
	TEMPLATE_FORMAT = 1, /* raise it when a cluster is made otherwise than before */
	LOCK_POLL_MS = 20,
	STOP_MS = 60000,
	KEEP_UNUSED_S = 30 * 86400,
	TEMPLATE_BUFFERS = 16 << 20,
};

static enum err fail_at(struct ctx *ctx, const char *action, const char *path)
{
	return fail(ctx, ERR_STORE, NULL, "cannot %s %s: %s", action, path,
		file_error_text(ctx->arena, errno));
}

/* --- making a cluster from nothing ------------------------------------------------------------ */

static enum err run_initdb(struct ctx *ctx, const struct pg_template_config *config,
	const char *folder, int log_fd)
{
	int fd CLEANUP(file_cleanup) = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return fail_at(ctx, "open", folder);
	}
	const char *const arguments[] = {config->programs.initdb, "-D",
		arena_printf(ctx->arena, "/proc/self/fd/%d", fd), /* see pg_postmaster.c */
		"--username=belfry",
		/* Whoever may open the socket may come in: its folder has mode 0700. */
		"--auth-local=trust", "--auth-host=reject",
		/* Texts compare byte by byte: fast, and the same on every machine for ever. */
		"--encoding=UTF8", "--locale=C", "--lc-ctype=C.UTF-8",
		"--wal-segsize=4", /* a small cluster is copied sooner */
		"--no-sync",       /* flushed as a whole afterwards */
		"--no-instructions", NULL};
	pid_t child = pg_child_start(&(struct pg_command){.program = config->programs.initdb,
		.arguments = arguments,
		.account = &config->account,
		.folder_fd = fd,
		.output_fd = log_fd,
		.death_signal = 9});
	if (child <= 0 || !pg_child_wait(child)) {
		return pg_trouble_fail(ctx, "initdb failed", folder,
			arena_printf(ctx->arena, "%s.log", folder));
	}
	return ERR_OK;
}

static enum err fill_cluster(struct ctx *ctx, const struct pg_template_config *config,
	const char *folder, const char *log_path)
{
	if (mkdir(folder, 0700) != 0 ||
		(config->account.is_other &&
			chown(folder, config->account.uid, config->account.gid) != 0)) {
		return fail_at(ctx, "make", folder);
	}
	int log_fd CLEANUP(file_cleanup) =
		open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log_fd < 0) {
		return fail_at(ctx, "write", log_path);
	}
	TRY(run_initdb(ctx, config, folder, log_fd));
	struct pg_postmaster *postmaster = NULL;
	TRY(pg_postmaster_start(ctx,
		&(struct pg_postmaster_config){
			.folder = folder,
			.log_path = log_path,
			.programs = config->programs,
			.account = config->account,
			.shared_buffers_bytes = TEMPLATE_BUFFERS,
			.connections = 2,
			.is_throwaway = true,
			.signals = config->signals,
		},
		&postmaster));
	enum err err = config->prepare(ctx, pg_postmaster_url(postmaster));
	pg_postmaster_stop(postmaster, clock_os_ms() + STOP_MS);
	return err;
}

/* A cluster at `folder`, flushed; nothing when it fails, but the log. */
static enum err make_cluster(struct ctx *ctx, const struct pg_template_config *config,
	const char *folder)
{
	const char *log_path = arena_printf(ctx->arena, "%s.log", folder);
	enum err err = fill_cluster(ctx, config, folder, log_path);
	if (err == ERR_OK) {
		err = tree_flush(ctx, folder);
	}
	if (err != ERR_OK) {
		tree_remove(folder);
		return err;
	}
	(void)unlink(log_path);
	return ERR_OK;
}

/* --- the cache ------------------------------------------------------------------------------------- */

/* Path of the cache folder, made if necessary; NULL when there can be none. */
static const char *open_cache(struct arena *arena)
{
	const char *given = getenv("CACHE_DIRECTORY");
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	const char *path = NULL;
	if (given != NULL && given[0] == '/') {
		struct str first;
		struct str rest;
		(void)str_split(str_of(given), ':', &first, &rest);
		path = str_cstr(arena, first);
	} else if (xdg != NULL && xdg[0] == '/') {
		path = arena_printf(arena, "%s/belfry", xdg);
	} else if (geteuid() == 0) {
		path = "/var/cache/belfry";
	} else if (home != NULL && home[0] == '/') {
		path = arena_printf(arena, "%s/.cache/belfry", home);
	}
	struct ctx quiet;
	ctx_init(&quiet, arena);
	return path != NULL && file_make_folder(&quiet, path, 0755) == ERR_OK ? path : NULL;
}

static enum err take_lock(struct ctx *ctx, int fd, int kind, struct signals *signals)
{
	while (flock(fd, kind | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			return fail(ctx, ERR_STORE, NULL, "cannot lock the cache of database templates");
		}
		signals_wait(signals, LOCK_POLL_MS);
		if (signals->stop) {
			return fail(ctx, ERR_SHUTDOWN, NULL,
				"stopped while a database template was being made");
		}
	}
	return ERR_OK;
}

/* Half-made templates, and those that nobody used for long. The lock is held alone. */
static void remove_old(struct arena *arena, const char *cache)
{
	DIR *folder = opendir(cache);
	if (folder == NULL) {
		return;
	}
	int64_t oldest_s = (int64_t)time(NULL) - KEEP_UNUSED_S;
	for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		struct str name = str_of(entry->d_name);
		const char *path = arena_printf(arena, "%s/%s", cache, entry->d_name);
		struct stat status;
		bool is_old = str_starts_with(name, STR("pg")) && lstat(path, &status) == 0 &&
			(int64_t)status.st_mtime < oldest_s;
		if (is_old || str_starts_with(name, STR("making"))) {
			tree_remove(path);
		}
	}
	(void)closedir(folder);
}

static enum err make_template(struct ctx *ctx, const struct pg_template_config *config,
	const char *cache, const char *path)
{
	remove_old(ctx->arena, cache);
	log_info(0, "postgres.making_template", "path=%s", path);
	const char *making = arena_printf(ctx->arena, "%s/making", cache);
	TRY(make_cluster(ctx, config, making));
	return tree_rename(ctx, making, path);
}

/* Copies from the cache. *out_is_usable tells whether trying without it makes sense. */
static enum err copy_cached(struct ctx *ctx, const struct pg_template_config *config,
	const char *cache, const char *folder)
{
	const char *path = arena_printf(ctx->arena, "%s/pg%d-%.*s-%d", cache, config->programs.major,
		STR_ARG(config->digest), TEMPLATE_FORMAT);
	const char *lock_path = arena_printf(ctx->arena, "%s/lock", cache);
	int fd CLEANUP(file_cleanup) = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return fail_at(ctx, "open", lock_path);
	}
	TRY(take_lock(ctx, fd, LOCK_SH, config->signals));
	if (!file_exists(path)) {
		TRY(take_lock(ctx, fd, LOCK_EX, config->signals));
		if (!file_exists(path)) {
			TRY(make_template(ctx, config, cache, path));
		}
		TRY(take_lock(ctx, fd, LOCK_SH, config->signals));
	}
	(void)utimensat(AT_FDCWD, path, NULL, 0);
	TRY(tree_copy(ctx, path, folder, &config->account));
	return tree_flush(ctx, folder);
}

enum err pg_template_instantiate(struct ctx *ctx, const struct pg_template_config *config,
	const char *folder)
{
	const char *cache = open_cache(ctx->arena);
	if (cache != NULL) {
		enum err err = copy_cached(ctx, config, cache, folder);
		if (err == ERR_OK || err == ERR_SHUTDOWN) {
			return err;
		}
		log_warn(0, "postgres.cache_unusable", "cause=%.*s", STR_ARG(ctx->fault.text));
		tree_remove(folder);
	}
	return make_cluster(ctx, config, folder);
}
