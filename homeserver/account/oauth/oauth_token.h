/**
 * Tokens for what people have allowed, new ones for old ones, and their end.
 * Spec: client-server API, "Grant types", "Token revocation"; RFC 6749, 5 and 6; RFC 7009
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_TOKEN_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_TOKEN_H

#include "homeserver/account/grant.h"
#include "homeserver/account/oauth/oauth_params.h"

/** What a client gets. */
struct oauth_tokens {
	struct grant grant;
	struct str scope;
	struct str id_token; /**< p == NULL: not asked for (oauth_id_token.h) */
};

/**
 * Answers a request for tokens.
 *
 * @param from  address and program of who asks; the rest of it is filled in
 * Errors: INPUT with OAuth's word, of which invalid_client is a 401 and temporarily_unavailable (a refresh for an account that is locked) a 503;
 * STORE
 * Cost: a round trip for the client, one or two for what is shown, and one transaction.
 */
MUST_CHECK enum err oauth_tokens_give(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_params *params, const struct grant_ask *from, struct oauth_tokens *out);

/**
 * Ends the device of a token, of whatever kind and client: who has it could do so anyway. One that is not known is no error.
 * Errors: INPUT invalid_request; STORE
 */
MUST_CHECK enum err oauth_revoke(struct ctx *ctx, struct homeserver *hs, struct str token);

#endif
