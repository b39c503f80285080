/**
 * A ping: whether a service can be reached, and knows the token that this server calls it with.
 * Spec: application-service API, "Pinging"
 */
#ifndef BELFRY_APPSERVICES_AS_PING_H
#define BELFRY_APPSERVICES_AS_PING_H

#include "appservices/registry.h"
#include "http/client.h"

/** What came back. */
struct as_pong {
	bool is_well;          /**< a status that says so */
	struct fetched answer; /**< in the ctx's arena */
	int64_t duration_ms;
};

/** How long a service has to answer. */
int64_t as_ping_timeout_ms(const struct settings *settings);

/**
 * Pings a service that has an address, and waits.
 *
 * @param body  JSON
 * Errors: as http_client_fetch(); DEFER (ctx_may_ask)
 */
MUST_CHECK enum err as_ping(struct ctx *ctx, struct http_client *client,
	const struct appservice *service, struct str body, int64_t timeout_ms, struct as_pong *out);

#endif
