/**
 * What an OAuth client asks to be allowed, and how it shows that it is the one who asked (PKCE).
 * Spec: client-server API, "Scope"; RFC 6749, 3.3; RFC 7636
 */
#ifndef BELFRY_MATRIX_OAUTH_SCOPE_H
#define BELFRY_MATRIX_OAUTH_SCOPE_H

#include "base/arena.h"
#include "base/str.h"

struct oauth_scope {
	struct str device_id; /**< 1 to 255 bytes of the alphabet of scopes */
	struct str
		text; /**< the tokens that are understood, as they were asked for, each once, with one space between */
	bool has_openid; /**< OpenID Connect's: a token that says who logged in is wished for too */
};

/**
 * Reads a scope: full access to the API and one device. Names from before the specification (MSC2967) mean the same, and both may
 * stand together as long as they name one device. Other tokens are left out.
 * @param out  in the arena
 * @return false when it is malformed, lacks one of the two, or names two devices
 */
MUST_CHECK bool oauth_scope_parse(struct arena *arena, struct str text, struct oauth_scope *out);

/** Whether a word stands in a list of words with spaces between, as scopes and prompts are. */
bool oauth_has_word(struct str words, struct str wanted);

/** Whether a code challenge is one of S256: the base64url text of 32 bytes. */
bool oauth_challenge_is_valid(struct str challenge);
/** Whether a code verifier is well-formed and the challenge was made from it. */
MUST_CHECK bool oauth_verifier_fits(struct arena *arena, struct str verifier, struct str challenge);

#endif
