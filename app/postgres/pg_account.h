/**
 * The account that PostgreSQL runs under. It refuses to be root, so a server that was started as root
 * gives the cluster to another account; any other server runs it as itself.
 */
#ifndef BELFRY_APP_POSTGRES_PG_ACCOUNT_H
#define BELFRY_APP_POSTGRES_PG_ACCOUNT_H

#include "base/ctx.h"

#include <sys/types.h>

struct pg_account {
	uid_t uid;
	gid_t gid;
	bool is_other; /**< we are root and have to become it */
};

/**
 * Whose the cluster is: its folder's owner when there is a folder, else us, or for root the account
 * `belfry`, else `postgres`.
 * Errors: DENIED if the folder belongs to somebody whom we cannot become; MISSING if there is no such account.
 */
MUST_CHECK enum err pg_account_find(struct ctx *ctx, const char *folder, struct pg_account *out);

/** Becomes the account for good, in a child just before exec; async-signal-safe. @return false when refused */
MUST_CHECK bool pg_account_become(const struct pg_account *account);

/** Whether the account may enter the folder by its path: not so below /root, for example. */
MUST_CHECK bool pg_account_can_enter(const struct pg_account *account, const char *folder);

#endif
