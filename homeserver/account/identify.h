/**
 * Whom an identifier means, addresses included.
 * Spec: client-server API, "Identifier types"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_IDENTIFY_H
#define BELFRY_HOMESERVER_ACCOUNT_IDENTIFY_H

#include "homeserver/homeserver.h"

/**
 * Reads `identifier` of a log-in or an authentication stage, or the old forms, and looks up who has the address.
 *
 * @param out_user_id  in the arena; p == NULL: nobody here; the caller answers as to a wrong password
 * Errors: INPUT (as identifier_read()); STORE     Cost: one round trip for third-party identifiers, else none.
 */
MUST_CHECK enum err identify(struct ctx *ctx, struct homeserver *hs, const struct json *body,
	struct str *out_user_id);

#endif
