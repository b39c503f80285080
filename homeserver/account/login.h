/**
 * Log-in by password, and its end.
 * Spec: client-server API, "Login"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_LOGIN_H
#define BELFRY_HOMESERVER_ACCOUNT_LOGIN_H

#include "homeserver/account/grant.h"
#include "homeserver/account/identifier.h"
#include "storage/account.h"

/**
 * Checks a password (password_check()) of somebody who is not signed in.
 *
 * @param who  as identify() gives it
 * Errors: DENIED M_FORBIDDEN; DENIED 401 M_USER_LOCKED (soft_logout), with the right password only; LIMIT M_LIMIT_EXCEEDED; STORE
 */
MUST_CHECK enum err login_check_password(struct call *call, const struct identifier *who,
	struct str password, struct account_row *out);

/**
 * The same, and opens a session.
 * @param ask  user_id and password_hash are filled in here
 */
MUST_CHECK enum err login_with_password(struct call *call, const struct identifier *who,
	struct str password, struct grant_ask *ask, struct grant *out);

/**
 * The same by a login token, which is used up even if the account may not come in.
 * Errors: DENIED M_FORBIDDEN; DENIED 401 M_USER_LOCKED (soft_logout); STORE
 */
MUST_CHECK enum err login_with_token(struct ctx *ctx, struct homeserver *hs, struct str token,
	struct grant_ask *ask, struct grant *out);

/**
 * Looks up who has proven otherwise that it is this user.
 * @param refusal  what is said when there is no such user, or a deactivated one
 * Errors: DENIED M_FORBIDDEN, 401 M_USER_LOCKED; STORE
 */
MUST_CHECK enum err login_check_account(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const char *refusal, struct account_row *out);

/**
 * For who has proven otherwise that it may be the ask's user.
 * @param refusal  what is said when there is no such user, or a deactivated one
 * Errors: DENIED M_FORBIDDEN, 401 M_USER_LOCKED; STORE
 */
MUST_CHECK enum err login_without_proof(struct ctx *ctx, struct homeserver *hs,
	const struct grant_ask *ask, const char *refusal, struct grant *out);

/** Ends a device, with its session. Errors: STORE. */
MUST_CHECK enum err device_log_out(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id);
/** Ends the session and its device. Errors: STORE. */
MUST_CHECK enum err logout(struct ctx *ctx, struct homeserver *hs, const struct principal *who);
/** Ends all sessions and devices of the user. Errors: STORE. */
MUST_CHECK enum err logout_all(struct ctx *ctx, struct homeserver *hs, struct str user_id);

#endif
