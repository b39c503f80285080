/**
 * Endpoints of e-mail addresses: validation, contacts of an account; see email_routes.c.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_EMAIL_EMAIL_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_EMAIL_EMAIL_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route email_routes[];
extern const size_t email_route_count;

#endif
