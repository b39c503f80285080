/**
 * Whom to ask, for people who look at a page of this server.
 */
#ifndef BELFRY_HOMESERVER_WEB_HELP_H
#define BELFRY_HOMESERVER_WEB_HELP_H

#include "homeserver/web_page.h"

/** The help page and the administrators of options support.page and support.contacts; nothing where they are not set. */
void web_help_write(struct web_page *page);

#endif
