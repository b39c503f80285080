/**
 * Migrations: numbered SQL files, embedded in the binary, applied in order, each in its transaction.
 */
#ifndef BELFRY_STORAGE_MIGRATE_H
#define BELFRY_STORAGE_MIGRATE_H

#include "base/ctx.h"

struct embedded_migration;

/**
 * Brings the database up to date, under an advisory lock, so that several processes may start at once.
 * Before anything is touched it refuses: an applied migration whose text has changed, one that this binary does not
 * know, a database that is newer than the binary, and, where a migration says that old processes may not run beside it, a database on which one
 * does (which is looked at for six seconds).
 *
 * @param url    libpq connection string
 * @param table  migrations by number, from 1 without gaps
 * Errors: CONFLICT (refused, the fault's text says what to do); STORE; INTERNAL (a migration's SQL fails)
 */
MUST_CHECK enum err migrate_run(struct ctx *ctx, struct str url,
	const struct embedded_migration *table, size_t count);

#endif
