/**
 * The pages for who has forgotten the password: a mail to the account's address leads to the one that takes a new one.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_RESET_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_RESET_H

#include "homeserver/homeserver.h"

#define WEB_FORGOT_PATH "/_matrix/client/belfry/oauth/forgot"
#define WEB_RESET_PATH "/_matrix/client/belfry/oauth/reset"

/** Whether there are such pages: passwords are used, and this server sends mails. */
bool web_reset_is_on(const struct homeserver *hs);
/** Path of the page that asks for the address; the way back from it leads to `next`. In the arena. */
struct str web_forgot_url(struct arena *arena, struct str next);

#endif
