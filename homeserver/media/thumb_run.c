/*
 * The helper gets two open files and nothing else: an environment of its own, no signals blocked, standard error thrown away.
 * It bounds itself (app/thumbnail/confine.c); the time limit here is for one that does not get so far.
 */
#include "homeserver/media/thumb_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

enum { TIME_LIMIT_MS = 15000, NUMBER_BYTES = 12 };

/* libvips finds its modules, decoders that are never wanted, by this prefix; and makes no machine code. */
static char *const environment[] = {(char[]){"VIPSHOME=/nonexistent"}, (char[]){"VIPS_NOVECTOR=1"},
	(char[]){"LC_ALL=C"}, NULL};

static int set_up_files(posix_spawn_file_actions_t *files, const struct thumb_run *run)
{
	int failed = posix_spawn_file_actions_adddup2(files, run->source_fd, STDIN_FILENO);
	failed |= posix_spawn_file_actions_adddup2(files, run->result_fd, STDOUT_FILENO);
	failed |= posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	return failed;
}

static int set_up_signals(posix_spawnattr_t *attributes)
{
	sigset_t none;
	sigset_t all;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	int failed = posix_spawnattr_setsigmask(attributes, &none);
	failed |= posix_spawnattr_setsigdefault(attributes, &all);
	failed |= posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return failed;
}

static enum err start(struct ctx *ctx, const struct thumb_run *run, pid_t *out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	char width[NUMBER_BYTES];
	char height[NUMBER_BYTES];
	(void)snprintf(width, sizeof(width), "%d", run->size.width);
	(void)snprintf(height, sizeof(height), "%d", run->size.height);
	char *const arguments[] = {str_cstr(ctx->arena, STR("belfry-thumbnail")),
		str_cstr(ctx->arena, str_of(run->type)), width, height,
		str_cstr(ctx->arena, run->size.is_crop ? STR("crop") : STR("scale")),
		str_cstr(ctx->arena, run->is_animated ? STR("animated") : STR("still")), NULL};
	int error = posix_spawn_file_actions_init(&files);
	invariant(error == 0);
	error = posix_spawnattr_init(&attributes);
	invariant(error == 0);
	error = set_up_files(&files, run) | set_up_signals(&attributes);
	if (error == 0) {
		error = posix_spawn(out, run->helper, &files, &attributes, arguments, environment);
	}
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attributes);
	return error == 0 ? ERR_OK
					  : fail_cause(ctx, ERR_STORE, "start %s: %s", run->helper,
							file_error_text(ctx->arena, error));
}

/* Waits for the end, or makes it. @return as waitpid() tells it */
static int wait_for(pid_t child)
{
	int status = 0;
	int fd = (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd events = {.fd = fd, .events = POLLIN};
	int ready = fd >= 0 ? poll(&events, 1, TIME_LIMIT_MS) : -1;
	if (ready <= 0) {
		(void)kill(child, SIGKILL);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	return status;
}

/* Both from their beginning: the process shares their offsets with one that ran before. */
static enum err rewind_files(struct ctx *ctx, const struct thumb_run *run)
{
	bool is_ready = lseek(run->source_fd, 0, SEEK_SET) == 0 &&
		lseek(run->result_fd, 0, SEEK_SET) == 0 && ftruncate(run->result_fd, 0) == 0;
	return is_ready ? ERR_OK
					: fail_cause(ctx, ERR_STORE, "rewind the files of a thumbnail: %s",
						  file_error_text(ctx->arena, errno));
}

enum err thumb_run(struct ctx *ctx, const struct thumb_run *run, enum thumbnail_status *out)
{
	pid_t child = 0;
	TRY(rewind_files(ctx, run));
	TRY(start(ctx, run, &child));
	int status = wait_for(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == THUMBNAIL_BAD_CALL) {
		return fail_cause(ctx, ERR_STORE, "%s cannot work here", run->helper);
	}
	/* By ourselves, by hand, or by a system without memory: what the image itself takes is bounded by other signals. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		return fail_cause(ctx, ERR_STORE, "%s was killed, or took more than %d s", run->helper,
			TIME_LIMIT_MS / 1000);
	}
	if (WIFSIGNALED(status)) {
		log_warn(ctx->request_id, "media.thumbnail_killed", "signal=%d", WTERMSIG(status));
	}
	bool is_known = WIFEXITED(status) &&
		(WEXITSTATUS(status) == THUMBNAIL_MADE || WEXITSTATUS(status) == THUMBNAIL_TOO_LARGE ||
			WEXITSTATUS(status) == THUMBNAIL_IS_ORIGINAL);
	*out = is_known ? (enum thumbnail_status)WEXITSTATUS(status) : THUMBNAIL_IMPOSSIBLE;
	return ERR_OK;
}
