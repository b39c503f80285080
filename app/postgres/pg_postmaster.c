/*
 * The cluster's process. It gets SIGINT from the kernel when this process dies, so that a killed server leaves
 * no database running; the next start waits for it (pg_leftover).
 *
 * Paths: the account of the cluster need not be able to walk to its folder (below /root, say), and a socket's
 * path is at most 107 bytes. In either case the folder is named by a descriptor, /proc/self/fd/N, which
 * both sides hold open.
 */
#include "app/postgres/pg_postmaster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/postgres/pg_child.h"
#include "app/postgres/pg_leftover.h"
#include "app/postgres/pg_trouble.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

enum {
	POLL_MS = 2,
	STOP_POLL_MS = 2,
	START_TRIES = 40, /* when it ends at once, because of what a killed one left */
	START_PAUSE_MS = 50,
	RESTART_PAUSE_MS = 20, /* doubled each time that it ends early */
	RESTART_PAUSE_MAX_MS = 5000,
	STEADY_MS = 10000, /* having run so long it counts as healthy */
	MAX_LOG_BYTES = 10 << 20,
	SPARE_CONNECTIONS = 8, /* commands, and whoever looks into it by hand */
};

struct pg_postmaster {
	struct pg_postmaster_config config; /* its texts live in `arena` */
	struct arena *arena;
	struct str url;
	const char *const *arguments;
	int folder_fd;
	int log_fd;
	pid_t pid; /* 0: not running */
	int64_t started_ms;
	int64_t restart_at_ms;
	int64_t pause_ms;
};

/* A value inside single quotes of a libpq connection string. */
static struct str url_for(struct arena *arena, struct str socket_folder)
{
	char *quoted = arena_alloc(arena, 2 * socket_folder.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < socket_folder.n; i++) {
		if (socket_folder.p[i] == '\'' || socket_folder.p[i] == '\\') {
			quoted[n++] = '\\';
		}
		quoted[n++] = socket_folder.p[i];
	}
	return str_printf(arena, "host='%s' user=belfry dbname=postgres application_name=belfry",
		quoted);
}

static bool fits_socket(const char *folder)
{
	struct sockaddr_un address;
	return strlen(folder) + strlen("/.s.PGSQL.5432") < sizeof(address.sun_path);
}

typedef VEC(const char *) text_list;

static void add_setting(struct arena *arena, text_list *list, const char *setting)
{
	VEC_PUSH(arena, list, "-c");
	VEC_PUSH(arena, list, setting);
}

/*
 * What differs from PostgreSQL's defaults, and why. The command line wins over postgresql.conf, so a cluster has
 * always the settings of the program that runs it.
 */
static const char *const fixed_settings[] = {
	"listen_addresses=", /* the socket only */
	"unix_socket_permissions=0700",
	"huge_pages=off",
	"jit=off",                           /* short statements: it would cost more than it saves */
	"max_parallel_workers_per_gather=0", /* many small queries at once, none big */
	"max_worker_processes=2",
	"wal_level=replica", /* so that it can be backed up while running */
	"max_wal_senders=2",
	"min_wal_size=64MB",  /* segments to be used again instead of made */
	"max_wal_size=512MB", /* recovery after a crash stays short */
	"wal_buffers=4MB",
	"checkpoint_timeout=5min",
	"random_page_cost=1.1", /* solid-state disks */
	"idle_in_transaction_session_timeout=60s",
	"logging_collector=off",
	"log_min_messages=warning",
	"log_line_prefix=%m [%p] ",
	"log_timezone=UTC",
	"timezone=UTC",
	"cluster_name=belfry",
};

static void build_arguments(struct pg_postmaster *postmaster, const char *data,
	const char *socket_folder)
{
	const struct pg_postmaster_config *config = &postmaster->config;
	struct arena *arena = postmaster->arena;
	text_list list = {0};
	VEC_PUSH(arena, &list, config->programs.postgres);
	VEC_PUSH(arena, &list, "-D");
	VEC_PUSH(arena, &list, data);
	VEC_PUSH(arena, &list, "-k");
	VEC_PUSH(arena, &list, socket_folder);
	for (size_t i = 0; i < COUNT_OF(fixed_settings); i++) {
		add_setting(arena, &list, fixed_settings[i]);
	}
	add_setting(arena, &list,
		arena_printf(arena, "shared_buffers=%zukB", config->shared_buffers_bytes / 1024));
	add_setting(arena, &list,
		arena_printf(arena, "max_connections=%d", config->connections + SPARE_CONNECTIONS));
	/* Also when somebody switched them off in postgresql.conf. */
	const char *flush = config->is_throwaway ? "off" : "on";
	add_setting(arena, &list, arena_printf(arena, "fsync=%s", flush));
	add_setting(arena, &list, arena_printf(arena, "synchronous_commit=%s", flush));
	add_setting(arena, &list, arena_printf(arena, "full_page_writes=%s", flush));
	VEC_PUSH(arena, &list, NULL);
	postmaster->arguments = list.p;
}

static void rotate_log(struct ctx *ctx, const char *path)
{
	struct stat status;
	if (stat(path, &status) == 0 && status.st_size > MAX_LOG_BYTES) {
		(void)rename(path, arena_printf(ctx->arena, "%s.1", path));
	}
}

static enum err open_files(struct ctx *ctx, struct pg_postmaster *postmaster)
{
	const struct pg_postmaster_config *config = &postmaster->config;
	postmaster->folder_fd = open(config->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (postmaster->folder_fd < 0) {
		return fail(ctx, ERR_STORE, NULL, "cannot open %s: %s", config->folder,
			file_error_text(ctx->arena, errno));
	}
	rotate_log(ctx, config->log_path);
	postmaster->log_fd =
		open(config->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (postmaster->log_fd < 0) {
		return fail(ctx, ERR_STORE, NULL, "cannot write %s: %s", config->log_path,
			file_error_text(ctx->arena, errno));
	}
	if (config->account.is_other) { /* it may be the one who writes there the next time */
		(void)!fchown(postmaster->log_fd, config->account.uid, config->account.gid);
	}
	return ERR_OK;
}

static void choose_paths(struct pg_postmaster *postmaster)
{
	const struct pg_postmaster_config *config = &postmaster->config;
	const char *by_fd = arena_printf(postmaster->arena, "/proc/self/fd/%d", postmaster->folder_fd);
	bool can_enter = pg_account_can_enter(&config->account, config->folder);
	bool is_plain = can_enter && fits_socket(config->folder);
	/* "." is the folder itself: PostgreSQL works in it. */
	build_arguments(postmaster, can_enter ? config->folder : by_fd,
		is_plain ? config->folder : ".");
	postmaster->url = url_for(postmaster->arena, str_of(is_plain ? config->folder : by_fd));
}

static bool launch(struct pg_postmaster *postmaster)
{
	pid_t pid = pg_child_start(&(struct pg_command){
		.program = postmaster->config.programs.postgres,
		.arguments = postmaster->arguments,
		.account = &postmaster->config.account,
		.folder_fd = postmaster->folder_fd,
		.output_fd = postmaster->log_fd,
		.death_signal = SIGINT,
	});
	postmaster->pid = MAX_OF(pid, 0);
	postmaster->started_ms = clock_os_ms();
	return pid > 0;
}

/* Whether our child ended; then it is no more. */
static bool has_ended(struct pg_postmaster *postmaster)
{
	if (postmaster->pid != 0 && waitpid(postmaster->pid, NULL, WNOHANG) != 0) {
		postmaster->pid = 0;
	}
	return postmaster->pid == 0;
}

/* @return false when it ended instead, or a signal came */
static bool wait_ready(struct ctx *ctx, struct pg_postmaster *postmaster)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	while (!has_ended(postmaster) && !postmaster->config.signals->stop) {
		struct ctx quiet;
		ctx_init(&quiet, arena);
		quiet.request_id = ctx->request_id;
		struct pg_pid_file file;
		if (pg_pid_file_read(&quiet, postmaster->config.folder, &file) &&
			file.pid == postmaster->pid && file.is_ready) {
			return true;
		}
		arena_reset(arena);
		signals_wait(postmaster->config.signals, POLL_MS);
	}
	return false;
}

static enum err fail_stopped(struct ctx *ctx)
{
	return fail(ctx, ERR_SHUTDOWN, NULL, "stopped while the database was starting");
}

static enum err start_until_ready(struct ctx *ctx, struct pg_postmaster *postmaster)
{
	struct signals *signals = postmaster->config.signals;
	for (int i = 0; i < START_TRIES; i++) {
		TRY(pg_leftover_clear(ctx, postmaster->config.folder, signals));
		if (!launch(postmaster)) {
			return fail(ctx, ERR_STORE, NULL, "cannot start PostgreSQL: no more processes");
		}
		if (wait_ready(ctx, postmaster)) {
			return ERR_OK;
		}
		if (signals->stop) {
			return fail_stopped(ctx);
		}
		struct str words = pg_trouble_last_words(ctx, postmaster->config.log_path);
		if (!str_contains(words, STR("shared memory")) && !str_contains(words, STR("lock file"))) {
			break;
		}
		signals_wait(signals, START_PAUSE_MS);
	}
	return pg_trouble_fail(ctx, "PostgreSQL does not start", postmaster->config.folder,
		postmaster->config.log_path);
}

static void destroy(struct pg_postmaster *postmaster)
{
	if (postmaster->folder_fd >= 0) {
		(void)close(postmaster->folder_fd);
	}
	if (postmaster->log_fd >= 0) {
		(void)close(postmaster->log_fd);
	}
	arena_destroy(postmaster->arena);
	mem_free(postmaster);
}

enum err pg_postmaster_start(struct ctx *ctx, const struct pg_postmaster_config *config,
	struct pg_postmaster **out)
{
	struct pg_postmaster *postmaster = mem_alloc(sizeof(*postmaster));
	*postmaster = (struct pg_postmaster){.arena = arena_create(),
		.config = *config,
		.folder_fd = -1,
		.log_fd = -1,
		.pause_ms = RESTART_PAUSE_MS};
	struct pg_postmaster_config *mine = &postmaster->config;
	mine->folder = arena_dup(postmaster->arena, config->folder, strlen(config->folder));
	mine->log_path = arena_dup(postmaster->arena, config->log_path, strlen(config->log_path));
	mine->programs.postgres =
		arena_dup(postmaster->arena, config->programs.postgres, strlen(config->programs.postgres));
	mine->programs.initdb = NULL;
	enum err err = open_files(ctx, postmaster);
	if (err == ERR_OK) {
		choose_paths(postmaster);
		err = start_until_ready(ctx, postmaster);
	}
	if (err != ERR_OK) {
		pg_postmaster_stop(postmaster, clock_os_ms());
		return err;
	}
	log_info(0, "postgres.started", "version=%d pid=%d ms=%lld", config->programs.major,
		(int)postmaster->pid, (long long)(clock_os_ms() - postmaster->started_ms));
	*out = postmaster;
	return ERR_OK;
}

struct str pg_postmaster_url(const struct pg_postmaster *postmaster)
{
	return postmaster->url;
}

static void note_end(struct pg_postmaster *postmaster)
{
	int64_t ran_ms = clock_os_ms() - postmaster->started_ms;
	postmaster->pause_ms = ran_ms > STEADY_MS
		? RESTART_PAUSE_MS
		: MIN_OF(postmaster->pause_ms * 2, (int64_t)RESTART_PAUSE_MAX_MS);
	postmaster->restart_at_ms = clock_os_ms() + postmaster->pause_ms;
	log_error(0, "postgres.ended", "ran_ms=%lld restart_in_ms=%lld log=%s", (long long)ran_ms,
		(long long)postmaster->pause_ms, postmaster->config.log_path);
}

static void start_again(struct pg_postmaster *postmaster)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (pg_leftover_clear(&ctx, postmaster->config.folder, postmaster->config.signals) != ERR_OK) {
		log_error(0, "postgres.restart_failed", "cause=%.*s", STR_ARG(ctx.fault.text));
	} else if (launch(postmaster)) {
		log_warn(0, "postgres.restarted", "pid=%d", (int)postmaster->pid);
	}
	if (postmaster->pid == 0) {
		postmaster->restart_at_ms = clock_os_ms() + RESTART_PAUSE_MAX_MS;
	}
}

int64_t pg_postmaster_tend(struct pg_postmaster *postmaster)
{
	bool was_running = postmaster->pid != 0;
	if (!has_ended(postmaster)) {
		return -1;
	}
	if (was_running) {
		note_end(postmaster);
	}
	if (clock_os_ms() >= postmaster->restart_at_ms) {
		start_again(postmaster);
	}
	return postmaster->pid != 0 ? -1
								: MAX_OF(postmaster->restart_at_ms - clock_os_ms(), (int64_t)1);
}

void pg_postmaster_stop(struct pg_postmaster *postmaster, int64_t deadline_mono_ms)
{
	if (postmaster == NULL) {
		return;
	}
	if (!has_ended(postmaster)) {
		(void)kill(postmaster->pid, SIGINT);
	}
	bool is_pressed = false;
	while (!has_ended(postmaster)) {
		if (!is_pressed && clock_os_ms() >= deadline_mono_ms) {
			(void)kill(postmaster->pid, SIGQUIT);
			is_pressed = true;
		}
		signals_wait(postmaster->config.signals, STOP_POLL_MS);
	}
	destroy(postmaster);
}

enum err pg_postmaster_find(struct ctx *ctx, const char *folder, struct str *out_url)
{
	struct pg_pid_file file;
	if (!pg_pid_file_read(ctx, folder, &file) || !file.is_ready) {
		return fail(ctx, ERR_MISSING, NULL, "the database in %s is not running", folder);
	}
	if (file.socket_folder.n > 0 && file.socket_folder.p[0] == '/' &&
		fits_socket(str_cstr(ctx->arena, file.socket_folder))) {
		*out_url = url_for(ctx->arena, file.socket_folder);
		return ERR_OK;
	}
	/* Named by descriptor, which stays open as long as this process. */
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return fail(ctx, ERR_STORE, NULL, "cannot open %s: %s", folder,
			file_error_text(ctx->arena, errno));
	}
	*out_url = url_for(ctx->arena, str_printf(ctx->arena, "/proc/self/fd/%d", fd));
	return ERR_OK;
}
