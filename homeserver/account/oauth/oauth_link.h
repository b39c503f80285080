/**
 * Log-ins of devices without a browser: they show a code, which a person types elsewhere, and ask now and then what came of it.
 * Spec: client-server API, "Device authorisation grant"; RFC 8628
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_LINK_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_LINK_H

#include "homeserver/account/grant.h"
#include "homeserver/account/oauth/oauth.h"

/** What a device is told when it begins. */
struct oauth_link {
	struct str device_code;
	struct str user_code; /**< "WDJB-MJHT" */
	struct str url;       /**< where it is typed */
	struct str url_with_code;
};
/** Errors: INPUT invalid_client (401), unauthorized_client, invalid_scope; STORE     Cost: two round trips */
MUST_CHECK enum err oauth_link_begin(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct str scope, struct oauth_link *out);

/**
 * A device asks what came of it; its consent stays good until it is used up (grant_open).
 * Errors: INPUT authorization_pending, slow_down, access_denied, expired_token, invalid_grant; STORE     Cost: one round trip
 */
MUST_CHECK enum err oauth_link_poll(struct ctx *ctx, struct homeserver *hs, struct str client_id,
	struct str device_code, struct str *out_user_id, struct grant_consent *out);

#endif
