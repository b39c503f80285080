/**
 * Users of application services: they have no password, and whoever has the service's token is them.
 * Spec: application-service API, "Server admin style permissions"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SERVICE_USER_H
#define BELFRY_HOMESERVER_ACCOUNT_SERVICE_USER_H

#include "homeserver/account/grant.h"

/**
 * The user whom a service names when it registers or logs in one: a localpart or a whole id, taken as it is written.
 *
 * @param out  in the ctx's arena
 * Errors: INPUT M_INVALID_USERNAME (can be no user of this server), M_EXCLUSIVE (not in the service's namespaces)
 */
MUST_CHECK enum err service_user_named(struct ctx *ctx, const struct homeserver *hs,
	const struct appservice_view *service, struct str name, struct user_id *out);

/** Opens a session of such a user. Errors: DENIED M_FORBIDDEN (not registered, or deactivated), 401 M_USER_LOCKED; STORE */
MUST_CHECK enum err service_user_login(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct grant_ask *ask, struct grant *out);

#endif
