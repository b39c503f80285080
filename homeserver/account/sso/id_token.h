/**
 * ID tokens of OpenID Connect: signature and claims. Pure.
 * Spec: OpenID Connect Core 1.0, "ID Token Validation"; RFC 7515, 7517, 7518
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_ID_TOKEN_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_ID_TOKEN_H

#include "base/json.h"

enum { ID_TOKEN_SKEW_S = 60 };

/** What a token has to say. */
struct id_token_wish {
	struct str issuer;
	struct str client_id;
	struct str nonce;
	int64_t now_s;
	int64_t
		again_since_s; /**< when a log-in was asked for anew: one that tells of an older one will not do; 0: any will */
};

enum id_token_verdict {
	ID_TOKEN_GOOD,
	ID_TOKEN_BAD,         /**< malformed, or signed by a way that is not taken */
	ID_TOKEN_UNKNOWN_KEY, /**< the keys may be old */
	ID_TOKEN_BAD_SIGNATURE,
	ID_TOKEN_BAD_ISSUER,
	ID_TOKEN_BAD_AUDIENCE,
	ID_TOKEN_EXPIRED,
	ID_TOKEN_BAD_NONCE,
	ID_TOKEN_OLD_LOGIN, /**< the person was not asked again */
};

/** "expired", …; static, for the log. */
const char *id_token_verdict_name(enum id_token_verdict verdict);

/**
 * Checks a token, signed with RS256 or ES256 by one of the keys.
 *
 * @param keys        JWK set
 * @param out_claims  when good; in the arena
 */
MUST_CHECK enum id_token_verdict id_token_check(struct arena *arena, struct str token,
	const struct json *keys, const struct id_token_wish *wish, struct json *out_claims);

#endif
