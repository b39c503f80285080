/**
 * Who asks on routes of AUTH_SERVER: the signature of the request, its destination, this server's policy.
 * Spec: server-server API, "Request Authentication"
 */
#ifndef BELFRY_FEDERATION_FED_AUTH_H
#define BELFRY_FEDERATION_FED_AUTH_H

#include "federation/federation.h"

/**
 * For the HTTP layer's port: sets the principal.
 * Errors: DENIED 401 M_UNAUTHORIZED (none, malformed or wrong signature, other destination); DENIED 403 M_FORBIDDEN (policy)
 */
MUST_CHECK enum err fed_authenticate(struct call *call);

/** The server that asks; only in handlers of AUTH_SERVER routes. Borrowed from the call. */
struct server_name fed_origin(const struct call *call);

#endif
