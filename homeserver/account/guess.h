/**
 * Whose bucket of RATE_WRONG_PASSWORD an attempt is counted in (password.h takes from it).
 *
 * By what is named, be there such an account or not: a name and an address of one account are apart, so the answers do not tell whose an address is.
 * Strangers who guess do not hinder who is there already: a network from where a device of the account was last seen has a bucket of its own,
 * and so has who is signed in.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_GUESS_H
#define BELFRY_HOMESERVER_ACCOUNT_GUESS_H

#include "homeserver/account/identifier.h"
#include "homeserver/homeserver.h"

/**
 * The bucket of who is not signed in.
 * @param who  as identify() gives it
 * @param out  in the arena; "" when nobody can be meant
 * Errors: STORE     Cost: one round trip for a user id, else none.
 */
MUST_CHECK enum err guess_key_of_login(struct call *call, const struct identifier *who,
	struct str *out);

/** The bucket of who is signed in as the user; in the arena. */
struct str guess_key_of_stage(struct arena *arena, struct str user_id);

#endif
