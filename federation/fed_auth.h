/**
 * Who asks on routes of AUTH_SERVER: the signature of the request, its destination, this server's policy.
 * Spec: server-server API, "Request Authentication"
 */
#ifndef BELFRY_FEDERATION_FED_AUTH_H
#define BELFRY_FEDERATION_FED_AUTH_H

#include "federation/federation.h"

/**
 * For the HTTP layer's port: sets the principal. Always on a worker, since it parses the body. A request whose key is not known
 * waits without a thread while its server is asked.
 * Errors: DEFER; DENIED 401 M_UNAUTHORIZED (none, malformed or wrong signature, other destination); DENIED 403 M_FORBIDDEN (policy);
 * INPUT M_NOT_JSON, M_BAD_JSON (a body that cannot have been signed)
 * Cost: a signature over the body; a round trip when the server's keys are not in memory
 */
MUST_CHECK enum err fed_authenticate(struct call *call);

/** The server that asks; only in handlers of AUTH_SERVER routes. Borrowed from the call. */
struct server_name fed_origin(const struct call *call);

/** The same as the key of its rate bucket: the server when it is known, else the address. */
struct str fed_rate_key(const struct call *call);

#endif
