/**
 * Clients that register themselves.
 * Spec: client-server API, "Client registration"; RFC 7591
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_REGISTRATION_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_REGISTRATION_H

#include "homeserver/account/oauth/oauth.h"

/** How long a client is kept that has no session, and by which nobody logs in. */
#define OAUTH_CLIENT_LIFETIME_MS (INT64_C(30) * 24 * 60 * 60 * 1000)
/** How long before anybody has logged in by it. Anybody can register, so that is short. */
#define OAUTH_NEW_CLIENT_LIFETIME_MS (INT64_C(24) * 60 * 60 * 1000)

/**
 * Registers a client.
 * @param out_id    the same for the same metadata
 * @param out_kept  what is kept of the metadata; in the arena
 * Errors: INPUT invalid_redirect_uri, invalid_client_metadata; STORE     Cost: one round trip
 */
MUST_CHECK enum err oauth_register(struct ctx *ctx, struct homeserver *hs,
	const struct json *metadata, struct str *out_id, struct json *out_kept);

/** A client. Errors: MISSING (no fault text); STORE */
MUST_CHECK enum err oauth_client_load(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct oauth_client *out);

/** Forgets clients, log-ins of devices and rendezvous sessions that are long over. For the housekeeper. */
MUST_CHECK enum err oauth_clean(struct ctx *ctx, struct homeserver *hs);

#endif
