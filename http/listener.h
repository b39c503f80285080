/**
 * One listening address and its I/O threads. Inner to http/.
 */
#ifndef BELFRY_HTTP_LISTENER_H
#define BELFRY_HTTP_LISTENER_H

#include "base/ctx.h"
#include "http/router.h"
#include "http/state.h"

struct listener;

struct listener_deps {
	struct http_server *server;
	const struct router *router;
	struct http_listen listen;
	size_t io_threads;
	size_t max_connections;
	struct tls *tls; /**< for HTTP_LISTEN_TLS, else NULL */
};

/**
 * Binds and starts.
 * Errors: INPUT if the address or certificate cannot be used; CONFLICT if the address is taken
 * @param out  may be set although it failed: listener_stop() it all the same
 */
MUST_CHECK enum err listener_start(struct ctx *ctx, const struct listener_deps *deps,
	struct listener **out);

enum comers {
	COMERS_NONE,  /**< nobody is left */
	COMERS_MORE,  /**< somebody may be left */
	COMERS_LATER, /**< somebody is left, and there is no room for now */
};
/** Accepts some of those who wait; on the loop's thread. */
enum comers listener_accept(struct io_loop *loop, int listen_fd);

/** The port on which it listens, also where any was asked for (0). */
uint16_t listener_port(const struct listener *listener);
/** Borrowed from who started it. */
const struct router *listener_router(const struct listener *listener);

/** The server is stopping: closes the listening socket soon; open connections go on. NULL does nothing. */
void listener_close(struct listener *listener);

/** Stops and frees; none of its connections may be suspended. NULL does nothing. */
void listener_stop(struct listener *listener);

#endif
