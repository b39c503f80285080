/*
 * postmaster.pid alone proves nothing: after a crash its number may be another process's, and when only the
 * postmaster was killed its backends may go on for a moment without it. Every process of a cluster has
 * the cluster's folder as its working directory, and that is what is looked for.
 */
#include "app/postgres/pg_leftover.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/vec.h"

enum {
	PID_FILE_BYTES = 4096,
	PAUSE_MS = 5,
	/* Since the beginning of the waiting: */
	FAST_MS = 50,        /* an orphaned postmaster is told to shut down */
	IMMEDIATE_MS = 5000, /* all are told to end without a checkpoint */
	KILL_MS = 8000,
	GIVE_UP_MS = 15000,
};

typedef VEC(pid_t) pid_list;

bool pg_pid_file_read(struct ctx *ctx, const char *folder, struct pg_pid_file *out)
{
	struct ctx quiet;
	ctx_init(&quiet, ctx->arena);
	struct str text;
	const char *path = arena_printf(ctx->arena, "%s/postmaster.pid", folder);
	if (file_read(&quiet, path, PID_FILE_BYTES, &text) != ERR_OK) {
		return false;
	}
	/* pid, folder, start time, port, socket folder, address, shared memory, status */
	enum { PID_LINE, SOCKET_LINE = 4, STATUS_LINE = 7, LINES };
	struct str lines[LINES] = {{0}};
	for (size_t i = 0; i < LINES && text.n > 0; i++) {
		(void)str_split(text, '\n', &lines[i], &text);
	}
	int64_t pid;
	if (!str_to_int(str_trim(lines[PID_LINE]), 1, INT32_MAX, &pid)) {
		return false;
	}
	*out = (struct pg_pid_file){
		.pid = (pid_t)pid,
		.is_ready = str_equals(str_trim(lines[STATUS_LINE]), STR("ready")),
		.socket_folder = lines[SOCKET_LINE],
	};
	return true;
}

static bool works_in(struct arena *arena, const char *process, const struct stat *folder)
{
	struct stat at;
	const char *cwd = arena_printf(arena, "/proc/%s/cwd", process);
	if (stat(cwd, &at) != 0 || at.st_dev != folder->st_dev || at.st_ino != folder->st_ino) {
		return false;
	}
	struct ctx quiet;
	ctx_init(&quiet, arena);
	struct str name;
	return file_read(&quiet, arena_printf(arena, "/proc/%s/comm", process), 64, &name) == ERR_OK &&
		str_equals(str_trim(name), STR("postgres"));
}

static pid_list processes_in(struct arena *arena, const char *folder)
{
	pid_list found = {0};
	struct stat status;
	DIR *all = stat(folder, &status) == 0 ? opendir("/proc") : NULL;
	if (all == NULL) {
		return found;
	}
	for (const struct dirent *entry = readdir(all); entry != NULL; entry = readdir(all)) {
		int64_t pid;
		if (str_to_int(str_of(entry->d_name), 1, INT32_MAX, &pid) &&
			works_in(arena, entry->d_name, &status)) {
			VEC_PUSH(arena, &found, (pid_t)pid);
		}
	}
	(void)closedir(all);
	return found;
}

static void remove_stale(struct arena *arena, const char *folder)
{
	static const char *const names[] = {"postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		(void)unlink(arena_printf(arena, "%s/%s", folder, names[i]));
	}
}

/* What to send to whom after so long; each once. */
static void press(const pid_list *processes, pid_t postmaster, int64_t waited_ms, int *stage)
{
	static const struct {
		int after_ms;
		int signal;
		bool to_all;
	} stages[] = {{FAST_MS, SIGINT, false}, {IMMEDIATE_MS, SIGQUIT, true},
		{KILL_MS, SIGKILL, true}};
	if ((size_t)*stage >= COUNT_OF(stages) || waited_ms < stages[*stage].after_ms) {
		return;
	}
	for (size_t i = 0; i < processes->n; i++) {
		if (stages[*stage].to_all || processes->p[i] == postmaster) {
			(void)kill(processes->p[i], stages[*stage].signal);
		}
	}
	(*stage)++;
}

enum err pg_leftover_clear(struct ctx *ctx, const char *folder, struct signals *signals)
{
	struct pg_pid_file file = {0};
	if (!file_exists(arena_printf(ctx->arena, "%s/postmaster.pid", folder))) {
		return ERR_OK;
	}
	(void)!pg_pid_file_read(ctx, folder, &file);
	int64_t start_ms = clock_os_ms();
	int stage = 0;
	for (;;) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		pid_list processes = processes_in(arena, folder);
		int64_t waited_ms = clock_os_ms() - start_ms;
		if (processes.n == 0) {
			remove_stale(arena, folder);
			log_info(0, "postgres.leftover_cleared", "waited_ms=%lld", (long long)waited_ms);
			return ERR_OK;
		}
		if (waited_ms > GIVE_UP_MS) {
			return fail(ctx, ERR_STORE, NULL,
				"%zu processes of an earlier database (the first is %d) do not leave %s",
				processes.n, (int)processes.p[0], folder);
		}
		press(&processes, file.pid, waited_ms, &stage);
		signals_wait(signals, PAUSE_MS);
		if (signals->stop) {
			return fail(ctx, ERR_SHUTDOWN, NULL, "stopped while waiting for an earlier database");
		}
	}
}
