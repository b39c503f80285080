/**
 * New tokens for a refresh token.
 * Spec: client-server API, "Refreshing access tokens"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_REFRESH_H
#define BELFRY_HOMESERVER_ACCOUNT_REFRESH_H

#include "homeserver/account/grant.h"

/**
 * Makes a new pair of tokens for the token's device. The old pair stays until one of the new is used, so that a client
 * that lost the answer can ask again.
 * Errors: DENIED 401 M_UNKNOWN_TOKEN (with soft_logout when it expired), 401 M_USER_LOCKED; STORE
 */
MUST_CHECK enum err refresh_tokens(struct ctx *ctx, struct homeserver *hs, struct str refresh_token,
	struct grant *out);

/**
 * An access token that was refreshed into is used for the first time: all other tokens of its device end.
 * Errors: MISSING (no fault text) when it ended meanwhile; STORE
 */
MUST_CHECK enum err refresh_confirm(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct str refresh_hash);

#endif
