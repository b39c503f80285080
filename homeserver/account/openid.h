/**
 * OpenID tokens: with one, a user shows another service (an integration manager, a widget) who they are. It is good for
 * nothing else.
 * Spec: client-server API, "OpenID"; server-server API, "OpenID"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OPENID_H
#define BELFRY_HOMESERVER_ACCOUNT_OPENID_H

#include "homeserver/homeserver.h"

enum { OPENID_LIFETIME_MS = 60 * 60 * 1000 };

/**
 * A token for the user who asks.
 * @param out_token  in the arena
 * Errors: DENIED M_FORBIDDEN when `user_id` is somebody else; STORE     Cost: one round trip.
 */
MUST_CHECK enum err openid_request(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str user_id, struct str *out_token);

/**
 * Whose token it is.
 * Errors: DENIED 401 M_UNKNOWN_TOKEN (not known, ended, or its user deactivated or locked); STORE
 * Cost: two round trips.
 */
MUST_CHECK enum err openid_userinfo(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct str *out_user_id);

#endif
