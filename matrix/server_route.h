/**
 * Where another homeserver is reached, as a series of questions: each answer decides the next question, or the way. Asking
 * is left to the caller.
 *
 *     struct server_route route = server_route_begin(arena, name);
 *     while (route.step != ROUTE_FOUND && route.step != ROUTE_NONE) { … ask for route.subject, say what came … }
 *
 * Spec: server-server API, "Resolving server names"
 */
#ifndef BELFRY_MATRIX_SERVER_ROUTE_H
#define BELFRY_MATRIX_SERVER_ROUTE_H

#include "base/arena.h"
#include "matrix/id.h"

enum route_step {
	ROUTE_WELL_KNOWN, /**< what does https://SUBJECT/.well-known/matrix/server say? server_route_well_known() */
	ROUTE_SRV, /**< which SRV records has SUBJECT? server_route_srv() */
	ROUTE_FOUND,
	ROUTE_NONE, /**< no such port; or its owner says that there is no such service */
};

/** Where to connect. */
struct server_target {
	struct str host; /**< a name, or an address without brackets */
	uint16_t port;
};

struct server_route {
	enum route_step step;
	struct str subject; /**< whom to ask, unless the way is found */
	/** When found: the Host header, as it stands in URLs; its host is the name that the certificate must have, and the SNI. */
	struct str authority;
	const struct server_target *targets; /**< when found: to be tried in this order */
	size_t target_count;
	struct arena *arena;
	struct str host; /**< of the server, or of the one that it delegates to */
	bool is_old_srv; /**< the deprecated service name is being looked up */
};

/** The first question, or the way itself. All texts view the name or lie in the arena. */
struct server_route server_route_begin(struct arena *arena, struct server_name server);

/** @param delegated  what the server says; NULL: nothing that is of use */
void server_route_well_known(struct server_route *route, const struct server_name *delegated);

/** @param records  in the order in which they are to be tried; a host of "." or "" stands for no service; kept by reference */
void server_route_srv(struct server_route *route, const struct server_target *records,
	size_t count);

/**
 * Reads the answer of /.well-known/matrix/server.
 * @return false when it is no JSON object with an `m.server` that is a server name
 */
MUST_CHECK bool server_well_known_parse(struct arena *arena, struct str body,
	struct server_name *out);

enum {
	WELL_KNOWN_LEAST_S = 5 * 60,
	WELL_KNOWN_DEFAULT_S = 24 * 3600,
	WELL_KNOWN_MOST_S = 48 * 3600,
};

/**
 * How many seconds an answer may be kept, by its headers, within the limits above.
 * @param cache_control, expires  as sent; p == NULL: absent
 * @param now_s                   seconds since 1970
 * Spec: RFC 9111, 4.2.1 and 5.2.2
 */
int64_t server_well_known_lifetime_s(struct str cache_control, struct str expires, int64_t now_s);

#endif
