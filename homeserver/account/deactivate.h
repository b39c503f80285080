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
 * Takes deactivated users out of the rooms in which they still are; those whom the last look in turn met for good: a request that was let in
 * before the account's end may still have joined since.
 *
 * @param met         whom the last looks met; kept by the caller, zeroed at first
 * @param is_in_turn  sessions_tidy() does so each time after longer than a request takes. Between, when another process may have deactivated
 *                    somebody: nobody is done with, and whom any look has met is left to the next in turn, so that hundreds that are
 *                    deactivated one by one do not cost all of them each time
 *
 * Errors: STORE     Cost: one round trip for each 500 who are leaving, and several for each that has to be looked at
 */
MUST_CHECK enum err deactivate_finish(struct ctx *ctx, struct homeserver *hs, struct map *met,
	bool is_in_turn);

#endif
