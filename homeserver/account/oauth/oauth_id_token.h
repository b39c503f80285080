/**
 * Tokens that say who logged in, for clients that take this server for an OpenID Connect provider.
 *
 * The specification asks for none of it, but clients of before it was written do: matrix-js-sdk up to version 41 lets nobody in without one.
 * They are signed by a key of its own, which follows from the server's secret, so that all processes have the same and none is stored.
 * Spec: OpenID Connect Core 1.0, 2 and 3.1.3.3; RFC 7517, RFC 8037
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_ID_TOKEN_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_ID_TOKEN_H

#include "homeserver/homeserver.h"

enum {
	OAUTH_NONCE_MAX_BYTES = 255,
	OAUTH_ID_TOKEN_LIFETIME_MS = 60 * 60 * 1000, /**< nothing is opened by one */
};

/** What is known of a log-in. */
struct oauth_identity {
	struct str user_id;
	struct str client_id;
	struct str nonce; /**< of the request; p == NULL: none */
};

/** A signed token (JWT), in the arena. */
struct str oauth_id_token(struct arena *arena, const struct homeserver *hs,
	const struct oauth_identity *identity);

/** Members of a set of keys (JWKS) by which such tokens are verified: written to an object that is open. */
void oauth_id_keys_write(struct json_out *out, struct arena *arena, const struct homeserver *hs);

#endif
