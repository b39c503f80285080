/**
 * What a killed server leaves behind in a cluster's folder.
 */
#ifndef BELFRY_APP_POSTGRES_PG_LEFTOVER_H
#define BELFRY_APP_POSTGRES_PG_LEFTOVER_H

#include "app/signals.h"
#include "base/ctx.h"

#include <sys/types.h>

/** What postmaster.pid says. */
struct pg_pid_file {
	pid_t pid;
	bool is_ready; /**< takes connections */
	struct str socket_folder;
};

/** Reads postmaster.pid. @return false when there is none, or it is being written */
MUST_CHECK bool pg_pid_file_read(struct ctx *ctx, const char *folder, struct pg_pid_file *out);

/**
 * Waits until no process of an earlier cluster works in the folder, and removes a stale postmaster.pid. First they
 * get the time to end by themselves, which they do when their server or postmaster dies; then signals.
 * Errors: STORE when they do not end; SHUTDOWN when a signal came meanwhile.
 */
MUST_CHECK enum err pg_leftover_clear(struct ctx *ctx, const char *folder, struct signals *signals);

#endif
