/**
 * What the HTTP layer asks of the layers above. Filled once in app/wire.c before threads start.
 */
#ifndef BELFRY_HTTP_PORTS_H
#define BELFRY_HTTP_PORTS_H

#include "http/route.h"

struct http_ports {
	void *self;

	/**
	 * Who asks? Called for every route_asks_who() (for AUTH_OPTIONAL only when a token is given),
	 * first from the I/O thread, then, if that failed with DEFER, on the worker.
	 * Sets call_set_principal(). Errors: DENIED with 401 M_MISSING_TOKEN or M_UNKNOWN_TOKEN (soft_logout in extra),
	 * DENIED M_FORBIDDEN (no administrator, guest), M_USER_LOCKED, …; DEFER. With DEFER on a worker it has parked the call, which is
	 * authenticated anew once it is woken.
	 */
	enum err (*authenticate)(void *self, struct call *call);

	/** Key of the caller for its rate bucket: user id, else call_client_network(); "" = exempt. Borrowed from the call. */
	struct str (*rate_key)(void *self, struct call *call);

	/**
	 * Replies with a page to who meets 404, 429 or a failure of the server where a route has AUTH_PAGE. May be NULL. Any thread, also of I/O: from
	 * memory. Errors: INTERNAL, and the answer is JSON.
	 */
	enum err (*page_of_failure)(void *self, struct call *call, int status);

	/** Whether /health of the metrics listener says 200; may be NULL. Answers from memory: called on an I/O thread. */
	bool (*is_healthy)(void *self);
};

#endif
