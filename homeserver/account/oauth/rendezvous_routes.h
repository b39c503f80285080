/**
 * The endpoints by which two devices meet while one signs the other in by a QR code.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_RENDEZVOUS_ROUTES_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_RENDEZVOUS_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route rendezvous_routes[];
extern const size_t rendezvous_route_count;

#endif
