/**
 * New tokens for a refresh token.
 * Spec: client-server API, "Refreshing access tokens"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_REFRESH_H
#define BELFRY_HOMESERVER_ACCOUNT_REFRESH_H

#include "homeserver/account/grant.h"

/**
 * Makes a new pair of tokens for the token's device. The old pair stays until one of the new is used, so that a client
 * that lost the answer can ask again. Tokens of the OAuth 2.0 API are not known here.
 * Errors: DENIED 401 M_UNKNOWN_TOKEN (with soft_logout when it expired), 401 M_USER_LOCKED; STORE
 */
MUST_CHECK enum err refresh_tokens(struct ctx *ctx, struct homeserver *hs, struct str refresh_token,
	struct grant *out);

/**
 * The same for a session of the OAuth 2.0 API. A token that was replaced, and is used all the same, ends the session: somebody has a copy.
 * @param client_id  whose session it has to be
 * @param out_scope  what was allowed
 * Errors: as refresh_tokens()
 * Spec: client-server API, "Refresh token grant"
 */
MUST_CHECK enum err refresh_oauth_tokens(struct ctx *ctx, struct homeserver *hs,
	struct str refresh_token, struct str client_id, struct grant *out, struct str *out_scope);

/**
 * An access token that was refreshed into is used for the first time: all other tokens of its device end.
 * Errors: MISSING (no fault text) when it ended meanwhile; STORE
 */
MUST_CHECK enum err refresh_confirm(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct str refresh_hash);

#endif
