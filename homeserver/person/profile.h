/**
 * Profiles: of local users, and how those of others are seen.
 * Spec: client-server API, "Profiles"
 */
#ifndef BELFRY_HOMESERVER_PERSON_PROFILE_H
#define BELFRY_HOMESERVER_PERSON_PROFILE_H

#include "homeserver/user/users.h"

/**
 * All fields as one object, in the ctx's arena. Users of other servers are asked for there.
 * Errors: MISSING M_NOT_FOUND (no such user, or deactivated); STORE; those of profile_port.get
 */
MUST_CHECK enum err profile_get(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct json *out);

/**
 * Sets a field, or removes it (value NULL). The name and picture are also put into the member events of the rooms that the
 * user is joined to.
 * Errors: INPUT M_INVALID_PARAM, M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE; DENIED M_USER_SUSPENDED; STORE
 */
MUST_CHECK enum err profile_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str field, const struct json *value);

#endif
