/**
 * Whom a log-in names: all forms of identifiers, and which user of this server that is. Pure.
 * Spec: client-server API, "Identifier types", "Login"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_IDENTIFIER_H
#define BELFRY_HOMESERVER_ACCOUNT_IDENTIFIER_H

#include "base/ctx.h"
#include "base/json.h"
#include "matrix/id.h"

/** What a log-in names. All p == NULL: nobody who can be here (foreign server, impossible name, telephone). */
struct identifier {
	struct str user_id; /**< of this server; after identify(): of who has the address, too */
	struct str medium;  /**< of a third-party identifier */
	struct str
		address; /**< of a third-party identifier, as it was written; after identify(): as it is stored */
};

/**
 * Reads `identifier` of a log-in or an authentication stage, or the old `user`, `medium` and `address`.
 *
 * @param body  JSON object
 * @param out   in the arena; names nobody: the caller answers as to a wrong password
 * Errors: INPUT M_MISSING_PARAM, M_BAD_JSON, M_UNKNOWN (a type that the specification does not have)
 */
MUST_CHECK enum err identifier_read(struct ctx *ctx, const struct json *body,
	struct server_name server, struct identifier *out);

/**
 * The id of a local user from a whole user id or a localpart; upper-case ASCII letters count as lower-case ones.
 * @return in the arena; p == NULL when it is no possible user of this server
 */
struct str local_user_id(struct arena *arena, struct str name, struct server_name server);

/**
 * The id for a new account: as local_user_id(), by the strict grammar.
 * Errors: INPUT M_INVALID_USERNAME
 */
MUST_CHECK enum err new_user_id(struct ctx *ctx, struct str localpart, struct server_name server,
	struct str *out);

#endif
