/**
 * Accounts for whoever knows the shared secret: the protocol of Synapse's /_synapse/admin/v1/register.
 * The MAC is HMAC-SHA1 of nonce NUL user NUL password NUL admin|notadmin [NUL user_type], in hexadecimal.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SHARED_SECRET_H
#define BELFRY_HOMESERVER_ACCOUNT_SHARED_SECRET_H

#include "homeserver/account/grant.h"

struct shared_secret_ask {
	struct str nonce;
	struct str username;
	struct str password;
	bool is_admin;
	struct str user_type; /**< p == NULL: none */
	struct str mac;       /**< hexadecimal */
};

/** The right MAC in lower-case hexadecimal, in the arena. */
struct str shared_secret_mac(struct arena *arena, struct str secret,
	const struct shared_secret_ask *ask);

/** Errors: INPUT M_UNKNOWN when no secret is configured. */
MUST_CHECK enum err shared_secret_nonce(struct ctx *ctx, struct homeserver *hs, struct str *out);

/**
 * Makes the account.
 * Errors: INPUT M_UNKNOWN (off; nonce), M_INVALID_PARAM, M_INVALID_USERNAME, M_USER_IN_USE; DENIED M_FORBIDDEN (MAC);
 * STORE
 */
MUST_CHECK enum err shared_secret_register(struct ctx *ctx, struct homeserver *hs,
	const struct shared_secret_ask *ask, struct str *out_user_id);

#endif
