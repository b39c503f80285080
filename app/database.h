/**
 * The database of a process: the configured one, or the private cluster in the data folder.
 */
#ifndef BELFRY_APP_DATABASE_H
#define BELFRY_APP_DATABASE_H

#include "app/postgres/pg_embedded.h"
#include "base/conf.h"

struct database {
	struct str url;                /**< secret when configured */
	struct pg_postmaster *cluster; /**< ours; NULL: configured, or run by a server beside */
};

/**
 * Starts the private cluster if none is configured, and brings the schema up to date.
 * @param wait_ms  how long a configured database that nobody reaches, or that takes no writes, is waited for; said in the log and to systemd
 * Errors: STORE (also: it did not come), MISSING, DENIED (PostgreSQL; also: a configured one refuses for good); CONFLICT (the schema is not
 * this program's); SHUTDOWN (a signal came).
 */
MUST_CHECK enum err database_open(struct ctx *ctx, const struct conf *conf, const char *data,
	struct signals *signals, int64_t wait_ms, struct database *out);

/** Stops the private cluster. @param deadline_mono_ms  by when, if need be without its last checkpoint */
void database_close(struct database *database, int64_t deadline_mono_ms);

#endif
