/**
 * Credentials for the TURN server, which carries calls between clients that cannot reach each other. Pure.
 * Spec: client-server API, "Voice over IP"; "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest)
 */
#ifndef BELFRY_HOMESERVER_VOIP_TURN_H
#define BELFRY_HOMESERVER_VOIP_TURN_H

#include "base/arena.h"
#include "homeserver/account_settings.h"

struct turn_credentials {
	struct str username;
	struct str password;
	int64_t ttl_s;
};

/**
 * With a shared secret: a user name that says when it ends and whose it is, and its HMAC-SHA1 as the password. Else the
 * configured pair.
 * @param out  in the arena, or borrowed from the settings
 */
void turn_credentials_make(struct arena *arena, const struct turn_settings *settings,
	struct str user_id, int64_t now_ms, struct turn_credentials *out);

#endif
