/**
 * Where another homeserver is reached: matrix/server_route.h with its questions asked, and the answers kept.
 * Spec: server-server API, "Resolving server names"
 */
#ifndef BELFRY_FEDERATION_DISCOVERY_H
#define BELFRY_FEDERATION_DISCOVERY_H

#include "homeserver/homeserver.h"
#include "http/client.h"
#include "matrix/server_route.h"

struct discovery;

/** The question to a host for its /.well-known/matrix/server; texts in the arena. */
struct fetch discovery_question(struct arena *arena, struct str host);

struct discovery *discovery_create(struct homeserver *hs);
/** After the HTTP client has stopped. */
void discovery_destroy(struct discovery *discovery);

/** How a discovery ended; borrowed for the callback. */
struct discovery_end {
	enum err err; /**< REMOTE, SHUTDOWN */
	struct str cause;
	const struct server_route *route; /**< found, when OK */
};
typedef void discovery_finished(void *data, const struct discovery_end *end);

/**
 * Finds a server. `finished` is called once in any case: before this returns, or on a thread of the HTTP client or
 * the DNS, where it may not block. What is asked for a server already is not asked again.
 * Cost: none for addresses, explicit ports and what is known; else up to three questions to others, each with its own limit
 */
void discovery_start(struct discovery *discovery, struct server_name server,
	discovery_finished *finished, void *data);

#endif
