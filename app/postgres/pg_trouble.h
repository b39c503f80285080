/**
 * Why PostgreSQL does not come up, for whoever has to repair it.
 */
#ifndef BELFRY_APP_POSTGRES_PG_TROUBLE_H
#define BELFRY_APP_POSTGRES_PG_TROUBLE_H

#include "base/ctx.h"

/** The last line of its log that says what was fatal, or that it ended at once; in the ctx's arena. */
struct str pg_trouble_last_words(struct ctx *ctx, const char *log_path);

/**
 * Fails: with a disk that is full in plain words, for then PostgreSQL may not even have written why; else with what was said.
 * @param what    "PostgreSQL does not start"
 * @param folder  on the disk that it writes to
 * @return        STORE
 */
enum err pg_trouble_fail(struct ctx *ctx, const char *what, const char *folder,
	const char *log_path);

#endif
