/**
 * OpenID Connect, the part of the relying party: where to send the browser, and what to make of its coming back.
 * Spec: OpenID Connect Core 1.0 (authorisation code flow), Discovery 1.0; RFC 7636 (PKCE)
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_OIDC_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_OIDC_H

#include "homeserver/account/sso/provider.h"
#include "homeserver/homeserver.h"

enum {
	OIDC_DOCUMENT_LIFETIME_MS = 3600 * 1000, /**< of the discovery document and the keys */
	OIDC_KEYS_PAUSE_MS =
		60 * 1000, /**< a key that is not known makes us ask again, not more often than this */
};

/** A provider with what it told about itself. */
struct oidc;

/** `provider` lives as long. */
struct oidc *oidc_create(const struct provider *provider);
void oidc_destroy(struct oidc *oidc);
const struct provider *oidc_provider(const struct oidc *oidc);

/** One sign-in's own values, derived from what only the browser has. */
struct oidc_attempt {
	struct str redirect_uri;
	struct str state;
	struct str nonce;
	struct str verifier; /**< of PKCE: 43 to 128 characters */
	int64_t
		again_since_s; /**< who signed in there before that has to do so once more; 0: nobody has to */
};

/**
 * The address to send the browser to.
 * Errors: REMOTE, TIMEOUT (the provider's discovery document)     Cost: a request an hour.
 */
MUST_CHECK enum err oidc_authorize_url(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct oidc_attempt *attempt, struct str *out);

/**
 * Turns the code that the browser brought into checked claims: of the ID token, completed by the userinfo endpoint.
 * @param out  in the arena; has a `sub`
 * Errors: DENIED M_FORBIDDEN (the code or the token is not good); REMOTE, TIMEOUT     Cost: one to four requests.
 */
MUST_CHECK enum err oidc_claims(struct ctx *ctx, struct homeserver *hs, struct oidc *oidc,
	const struct oidc_attempt *attempt, struct str code, struct json *out);

#endif
