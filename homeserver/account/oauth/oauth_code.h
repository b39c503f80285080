/**
 * Codes, which a browser carries from a person's consent to the client that asked.
 * Spec: RFC 6749, 4.1; RFC 7636
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_CODE_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_CODE_H

#include "homeserver/account/grant.h"
#include "homeserver/account/oauth/oauth.h"
#include "homeserver/account/oauth/oauth_id_token.h"
#include "storage/account.h"

/** The code by which a browser allows a request: it follows from the secret of its session and the request. In the arena. */
struct str oauth_code_of(struct arena *arena, const struct oauth_request *request,
	const struct web_session *session);
/**
 * Whether the code was made before, and is good still.
 * Errors: MISSING (no fault text) when it was not made; CONFLICT (no fault text) when it was used, or has ended; STORE
 */
MUST_CHECK enum err oauth_code_find(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	struct str code);
/** Makes it, for what was asked for; the account is held, so that of two at once one does. Errors: STORE     Cost: one round trip */
MUST_CHECK enum err oauth_code_make(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	const struct oauth_request *request, struct str user_id, struct str code);

/** What a client shows with a code. */
struct oauth_code_proof {
	struct str code;
	struct str client_id;
	struct str redirect_uri;
	struct str code_verifier;
};
/**
 * Checks a code; it stays good until its consent is used up (grant_open).
 * @param out_identity  who allowed it, to whom; in the arena, as `out`
 * Errors: INPUT invalid_grant, also as oauth_code_reused(); STORE
 */
MUST_CHECK enum err oauth_code_check(struct ctx *ctx, struct homeserver *hs,
	const struct oauth_code_proof *proof, struct oauth_identity *out_identity,
	struct grant_consent *out);
/**
 * A code that is not good any more was shown. If it was used before, the session that it gave ends.
 * Errors: INPUT invalid_grant, always; STORE
 */
MUST_CHECK enum err oauth_code_reused(struct ctx *ctx, struct homeserver *hs, struct str hash);

/** Whether the account may log in by OAuth. Errors: DENIED access_denied; STORE */
MUST_CHECK enum err oauth_check_account(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct account_row *out);
/**
 * Holds the account of who is signed in until the transaction ends, so that what takes all sessions from the user either came before,
 * and has ended this one, or comes behind, and ends what it allows.
 * Errors: as oauth_check_account(), also when the session has ended
 */
MUST_CHECK enum err oauth_hold_account(struct ctx *ctx, struct homeserver *hs, struct tx *tx,
	const struct web_session *session);

#endif
