/*
 * Fork and exec. The process has threads when a database is started again, so between the two only
 * async-signal-safe functions are called, and everything they need is made before.
 */
#include "app/postgres/pg_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* LC_ALL=C: messages of the log in one language, and no locale that is missing here. */
static char lc_all[] = "LC_ALL=C";
static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
static char time_zone[] = "TZ=UTC";
/* A backend gives back what is free at its heap's end above 128 KiB, and one transaction takes more than that: so it would ask for it anew each time. */
static char trim_threshold[] = "MALLOC_TRIM_THRESHOLD_=1048576";
static char mmap_threshold[] = "MALLOC_MMAP_THRESHOLD_=1048576";
static char *const environment[] = {lc_all, path, time_zone, trim_threshold, mmap_threshold, NULL};

NORETURN static void run(const struct pg_command *command, pid_t parent)
{
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	(void)umask(077);
	int null_fd = open("/dev/null", O_RDONLY);
	bool is_ready = null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(command->output_fd, 1) == 1 &&
		dup2(command->output_fd, 2) == 2 && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
		(command->folder_fd < 0 || fcntl(command->folder_fd, F_SETFD, 0) == 0) && chdir("/") == 0 &&
		pg_account_become(command->account);
	/* After the change of account, which clears it; and the parent may have died before. */
	if (is_ready && command->death_signal != 0) {
		is_ready = prctl(PR_SET_PDEATHSIG, command->death_signal) == 0 && getppid() == parent;
	}
	if (is_ready) {
		(void)execve(command->program, (char *const *)(uintptr_t)command->arguments, environment);
	}
	_exit(127);
}

pid_t pg_child_start(const struct pg_command *command)
{
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0) {
		run(command, parent);
	}
	return child;
}

bool pg_child_wait(pid_t child)
{
	int status = 1;
	pid_t got;
	do {
		got = waitpid(child, &status, 0);
	} while (got < 0 && errno == EINTR);
	return got == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool pg_child_output(struct arena *arena, const char *program, const char *const *arguments,
	struct str *out)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0) {
		return false;
	}
	struct pg_account self = {.uid = geteuid(), .gid = getegid()};
	pid_t child = pg_child_start(&(struct pg_command){.program = program,
		.arguments = arguments,
		.account = &self,
		.folder_fd = -1,
		.output_fd = ends[1]});
	(void)close(ends[1]);
	char text[512];
	ssize_t got = child > 0 ? read(ends[0], text, sizeof(text)) : -1;
	(void)close(ends[0]);
	bool has_succeeded = child > 0 && pg_child_wait(child);
	if (!has_succeeded || got < 0) {
		return false;
	}
	*out = str_dup(arena, str_from(text, (size_t)got));
	return true;
}
