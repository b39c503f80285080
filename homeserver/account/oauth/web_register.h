/**
 * The page on which people make themselves an account, where registration is open.
 * Spec: client-server API, "User registration"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_REGISTER_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_REGISTER_H

#include "homeserver/homeserver.h"

#define WEB_REGISTER_PATH "/_matrix/client/belfry/oauth/signup"

/** Whether there is such a page: registration is open, passwords are used, and an e-mail address is not needed. */
bool web_register_is_on(struct arena *arena, const struct homeserver *hs);
/** Path of the page, which leads to `next` afterwards; in the arena. */
struct str web_register_url(struct arena *arena, struct str next);

#endif
