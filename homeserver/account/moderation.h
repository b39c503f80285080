/**
 * What server administrators do to accounts by the client-server API: suspend and lock. An account can be both at once.
 * Spec: client-server API, "Account locking", "Account suspension", "Server administration"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_MODERATION_H
#define BELFRY_HOMESERVER_ACCOUNT_MODERATION_H

#include "homeserver/homeserver.h"

enum moderation {
	MODERATION_SUSPEND, /**< may read, not act */
	MODERATION_LOCK,    /**< may log out, no more */
};

/**
 * Whether the user is suspended or locked; `who` is an administrator (the route's authentication).
 * Errors: INPUT M_INVALID_PARAM (not of this server); DENIED M_FORBIDDEN (another administrator); MISSING M_NOT_FOUND
 * (none, or deactivated); STORE     Cost: one round trip.
 */
MUST_CHECK enum err moderation_get(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str user_id, enum moderation kind, bool *out);

/**
 * Sets it; the user's sessions see it with their next request, which a waiting one makes at once.
 * Errors: as moderation_get(); DENIED M_FORBIDDEN for oneself too     Cost: one transaction.
 */
MUST_CHECK enum err moderation_set(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str user_id, enum moderation kind, bool is_on);

#endif
