/**
 * The end of an account.
 * Spec: client-server API, "Account deactivation"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_DEACTIVATE_H
#define BELFRY_HOMESERVER_ACCOUNT_DEACTIVATE_H

#include "base/map.h"
#include "homeserver/homeserver.h"

/**
 * No login any more, all sessions end, the user leaves all rooms. The leaving goes on after a failure or a restart
 * (deactivate_finish).
 * Errors: MISSING M_NOT_FOUND when there is no such account; STORE
 */
MUST_CHECK enum err deactivate(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	bool erase);

/**
 * Takes deactivated users out of the rooms in which they still are; those whom the last look met (`met`, kept by the caller, zeroed at first)
 * for good: a request that was let in before the account's end may still have joined since. Called by sessions_tidy(), each time
 * after longer than a request takes. With `met` NULL nobody is done with. Errors: STORE.
 */
MUST_CHECK enum err deactivate_finish(struct ctx *ctx, struct homeserver *hs, struct map *met);

#endif
