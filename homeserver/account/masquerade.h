/**
 * Application services acting as users: whom a request with a service's token acts as.
 * Spec: application-service API, "Identity assertion"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_MASQUERADE_H
#define BELFRY_HOMESERVER_ACCOUNT_MASQUERADE_H

#include "homeserver/homeserver.h"
#include "storage/token.h"

/** What a request says; in the call's arena. */
struct masquerade {
	struct appservice_view
		service;          /**< id.p == NULL: the token is no service's; the rest is empty then */
	struct user_id user;  /**< of this server, and of the service */
	struct str device_id; /**< p == NULL: none */
	struct str key;       /**< by which its session is found; SHA256_BYTES */
	bool is_rate_exempt;
};

/**
 * Reads `user_id` and `device_id` of a request, if its token is a service's. From memory.
 * Errors: INPUT M_INVALID_PARAM (no user id); DENIED M_FORBIDDEN (a user that is not the service's; account management)
 */
MUST_CHECK enum err masquerade_read(struct homeserver *hs, struct call *call, struct str token_hash,
	struct masquerade *out);

/**
 * The user's account, as a token of it would show it. The device is one that there is.
 * Errors: DENIED M_FORBIDDEN (not registered, or deactivated); INPUT M_UNKNOWN_DEVICE; STORE. Cost: one round trip, two with a device
 */
MUST_CHECK enum err masquerade_load(struct ctx *ctx, struct homeserver *hs,
	const struct masquerade *as, struct token_row *out);

#endif
