/**
 * PostgreSQL's programs on this machine.
 */
#ifndef BELFRY_APP_POSTGRES_PG_PROGRAMS_H
#define BELFRY_APP_POSTGRES_PG_PROGRAMS_H

#include "base/ctx.h"

struct pg_programs {
	const char *postgres; /**< paths, in the arena */
	const char *initdb;
	int major;
};

enum { PG_OLDEST_MAJOR = 15 };

/**
 * Looks where Debian and Red Hat put them, then in PATH.
 *
 * @param major  the version that a cluster was made with; 0: the newest that there is
 * Errors: MISSING; the text says what to install.
 */
MUST_CHECK enum err pg_programs_find(struct ctx *ctx, int major, struct pg_programs *out);

/** Version of the cluster in a folder; 0 when there is none. */
int pg_programs_major_of(struct ctx *ctx, const char *cluster);

#endif
