/**
 * Whom an identifier means, addresses included.
 * Spec: client-server API, "Identifier types"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_IDENTIFY_H
#define BELFRY_HOMESERVER_ACCOUNT_IDENTIFY_H

#include "homeserver/account/identifier.h"
#include "homeserver/homeserver.h"

/**
 * Reads `identifier` of a log-in or an authentication stage, or the old forms, and looks up who has the address.
 *
 * @param out  in the arena; user_id.p == NULL: nobody here; the caller answers as to a wrong password
 * Errors: INPUT (as identifier_read()); STORE     Cost: one round trip for third-party identifiers, else none.
 */
MUST_CHECK enum err identify(struct ctx *ctx, struct homeserver *hs, const struct json *body,
	struct identifier *out);

/**
 * Looks up who has an e-mail address.
 * @param out  as above
 * Errors: STORE     Cost: one round trip.
 */
MUST_CHECK enum err identify_email(struct ctx *ctx, struct homeserver *hs, struct str address,
	struct identifier *out);

#endif
