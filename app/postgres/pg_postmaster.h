/**
 * One PostgreSQL cluster run as a child of this process: started, watched, started again, stopped.
 */
#ifndef BELFRY_APP_POSTGRES_PG_POSTMASTER_H
#define BELFRY_APP_POSTGRES_PG_POSTMASTER_H

#include "app/postgres/pg_account.h"
#include "app/postgres/pg_programs.h"
#include "app/signals.h"
#include "base/ctx.h"

struct pg_postmaster_config {
	const char *folder;   /**< absolute path of the cluster; its name is `postgres` by custom */
	const char *log_path; /**< its standard error is appended here */
	struct pg_programs programs;
	struct pg_account account;
	size_t shared_buffers_bytes;
	int connections;
	bool is_throwaway;       /**< nothing is flushed: only while a template is made */
	struct signals *signals; /**< a wish to stop ends the waiting */
};

struct pg_postmaster;

/**
 * Starts the cluster and waits until it takes connections. What another server left behind (a postmaster that is
 * still shutting down, backends without one, a stale pid file) is cleared away first. The caller holds the data
 * folder's lock, and is the thread that lives as long as the process.
 *
 * Errors: STORE, the text quotes PostgreSQL's own words; SHUTDOWN when a signal came meanwhile.
 */
MUST_CHECK enum err pg_postmaster_start(struct ctx *ctx, const struct pg_postmaster_config *config,
	struct pg_postmaster **out);

/** libpq connection string; valid until the stop. */
struct str pg_postmaster_url(const struct pg_postmaster *postmaster);

/**
 * To be called after SIGCHLD and when the time that it returned is over: notices the end of the process and starts
 * it again, after a growing pause when it ends again and again.
 * @return milliseconds until it wants to be called in any case; -1: no need
 */
int64_t pg_postmaster_tend(struct pg_postmaster *postmaster);

/**
 * Stops it: at first with a checkpoint (`fast`), at the deadline without (`immediate`; the next start recovers). Frees it.
 * @param deadline_mono_ms  monotonic
 */
void pg_postmaster_stop(struct pg_postmaster *postmaster, int64_t deadline_mono_ms);

/** Connection string for a cluster that another process runs, once it takes connections. Errors: MISSING when it does not. */
MUST_CHECK enum err pg_postmaster_find(struct ctx *ctx, const char *folder, struct str *out_url);

#endif
