/**
 * Whether what stands before the database lends each connection to one client as long as that is connected. Belfry prepares statements,
 * listens, and holds locks on its connections; a pooler that gives them away between two transactions loses all that.
 */
#ifndef BELFRY_STORAGE_POOLER_H
#define BELFRY_STORAGE_POOLER_H

#include "storage/pg.h"

/**
 * Costs a round trip; behind a pooler a second connection for a moment, and some more. `pg` is connected.
 * Errors: CONFLICT (connections are given away; says what to do); STORE; INTERNAL
 */
MUST_CHECK enum err pooler_check(struct ctx *ctx, struct pg *pg);

#endif
