/**
 * Pages by which people log in and authenticate where their client cannot; see fallback_routes.c.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_FALLBACK_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_FALLBACK_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route fallback_routes[];
extern const size_t fallback_route_count;

/** The page of a stage that is completed: tells the client around it. */
MUST_CHECK enum err fallback_answer_done(struct call *call);

#endif
