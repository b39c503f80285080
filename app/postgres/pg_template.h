/**
 * New clusters, made by copying a template that is kept in the user's cache: initdb and the migrations take
 * seconds, a copy a fraction of one.
 */
#ifndef BELFRY_APP_POSTGRES_PG_TEMPLATE_H
#define BELFRY_APP_POSTGRES_PG_TEMPLATE_H

#include "app/postgres/pg_account.h"
#include "app/postgres/pg_programs.h"
#include "app/signals.h"
#include "base/ctx.h"

struct pg_template_config {
	struct pg_programs programs;
	struct pg_account account;
	struct str digest; /**< a text for file names that changes with what `prepare` does */
	/** Brings an empty database to where every new one begins. */
	enum err (*prepare)(struct ctx *ctx, struct str url);
	struct signals *signals;
};

/**
 * Makes a cluster that survives a loss of power once this returns.
 *
 * @param folder  absolute path; nothing is there yet
 * Errors: STORE; SHUTDOWN when a signal came; what `prepare` says. A half-made folder is removed.
 *
 * Any number of processes may do this at once. When the cache cannot be used, the cluster is made without it.
 * Cost: ≈ 0.4 s from the cache, ≈ 3 s without.
 */
MUST_CHECK enum err pg_template_instantiate(struct ctx *ctx,
	const struct pg_template_config *config, const char *folder);

#endif
