/**
 * Where another homeserver is reached: from its name to addresses, Host header and the certificate's name.
 * Spec: server-server API, "Resolving server names"
 */
#ifndef BELFRY_FEDERATION_DISCOVERY_H
#define BELFRY_FEDERATION_DISCOVERY_H

#include "homeserver/homeserver.h"

struct discovery;

struct discovery *discovery_create(struct homeserver *hs);
void discovery_destroy(struct discovery *discovery);

/** Where to connect. */
struct target {
	struct str
		host; /**< name or address, without brackets; what the address is is looked at when it is connected to */
	uint16_t port;
};

struct destination {
	/** The Host header, as it stands in URLs; its host is the name that the certificate must have, and the SNI. */
	struct str authority;
	const struct target *targets; /**< to be tried in this order */
	size_t target_count;          /**< > 0 */
};

/** How a discovery ended; borrowed for the callback. */
struct discovery_end {
	enum err err; /**< REMOTE, SHUTDOWN */
	struct str cause;
	const struct destination *destination;
};
typedef void discovery_finished(void *data, const struct discovery_end *end);

/**
 * Finds a server. `finished` is called once in any case: before this returns, or on a thread of the HTTP client or
 * the resolver, where it may not block.
 * @param timeout_ms  > 0; for each step that waits for others
 */
void discovery_start(struct discovery *discovery, struct server_name server, int64_t timeout_ms,
	discovery_finished *finished, void *data);

#endif
