/**
 * The pages for who has forgotten the password: a mail to the account's address leads to the one that takes a new one.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_RESET_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_WEB_RESET_H

#include "homeserver/web_page.h"

#define WEB_FORGOT_PATH "/_matrix/client/belfry/oauth/forgot"
#define WEB_RESET_PATH "/_matrix/client/belfry/oauth/reset"

/**
 * What a log-in page says to who has forgotten the password: a link to these pages, from which the way back leads to `next`; where this server sends
 * no mails, whom to ask.
 */
void web_reset_write_way(struct web_page *page, struct str next);

#endif
