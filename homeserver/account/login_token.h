/**
 * Login tokens: good for one log-in, soon. A signed-in client asks for one for another client; a sign-in by an identity
 * provider ends with one.
 * Spec: client-server API, "Token-based login", "POST /login/get_token"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_LOGIN_TOKEN_H
#define BELFRY_HOMESERVER_ACCOUNT_LOGIN_TOKEN_H

#include "homeserver/homeserver.h"

/** What a token says. */
struct login_token {
	struct str user_id; /**< whose it is; who may log in is still to be checked */
	bool is_again; /**< the identity provider was asked to have them show once more who they are */
};

/** A token, in the arena. Errors: STORE.     Cost: one round trip. */
MUST_CHECK enum err login_token_make(struct ctx *ctx, struct homeserver *hs,
	const struct login_token *token, struct str *out);

/** Uses a token up. Errors: DENIED M_FORBIDDEN (not known, used, ended); STORE     Cost: one round trip. */
MUST_CHECK enum err login_token_use(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct login_token *out);

#endif
