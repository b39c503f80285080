/**
 * What the database keeps and must not be able to read: secrets, sealed under the server's own key (DATA/secrets.key).
 *
 * Each text has a key of its own, made from the server's key, 16 random bytes that stand before it, and its context: what it is
 * and whose. So a row that was put in another's place does not open.
 */
#ifndef BELFRY_E2EE_VAULT_H
#define BELFRY_E2EE_VAULT_H

#include "homeserver/homeserver.h"

/** @param context  the same when it is opened. @return unpadded Base64, in the arena */
struct str vault_seal(struct arena *arena, const struct homeserver *hs, struct str context,
	struct str text);
/** The same, and the text is wiped. */
struct str vault_seal_and_wipe(struct arena *arena, const struct homeserver *hs, struct str context,
	struct str text);
/**
 * Errors: INTERNAL when it was sealed under another key or context, or changed: the database came from a backup without its
 * DATA/secrets.key
 */
MUST_CHECK enum err vault_open(struct ctx *ctx, const struct homeserver *hs, struct str context,
	struct str sealed, struct str *out);

#endif
