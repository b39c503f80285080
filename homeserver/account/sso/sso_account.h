/**
 * Which account a provider's user has. An account is never given to somebody because names are alike, unless the provider's
 * configuration says so; never an administrator's.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_ACCOUNT_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_SSO_ACCOUNT_H

#include "homeserver/account/sso/provider.h"
#include "homeserver/homeserver.h"

/**
 * The account of a subject; made, with name and address from the claims, when it has none.
 *
 * @param claims       checked; with `sub`
 * @param out_user_id  in the arena
 * Errors: DENIED M_FORBIDDEN (no account and none made; the name is taken; deactivated), M_USER_LOCKED; STORE
 * Cost: two round trips, five to nine for a new account.
 */
MUST_CHECK enum err sso_account(struct ctx *ctx, struct homeserver *hs,
	const struct provider *provider, const struct json *claims, struct str *out_user_id);

/** The account that a subject has already. @param out_user_id  p == NULL: none. Errors: STORE. */
MUST_CHECK enum err sso_account_find(struct ctx *ctx, struct homeserver *hs,
	const struct provider *provider, const struct json *claims, struct str *out_user_id);

#endif
