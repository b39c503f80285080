/**
 * Requests to application services, with the token that each knows this server by.
 *
 * A service's address is the administrator's: it may be on this machine or in its network. Services written before the paths were
 * specified know others: an answer that says so makes the request be repeated there, with the token in the query too.
 * Spec: application-service API, "Authorisation", "Legacy routes"
 */
#ifndef BELFRY_APPSERVICES_AS_CALL_H
#define BELFRY_APPSERVICES_AS_CALL_H

#include "appservices/registry.h"
#include "http/client.h"

struct as_request {
	const struct appservice *service; /**< which has an address */
	const char *method;               /**< static */
	struct str path;                  /**< "/_matrix/app/v1/…", escaped */
	struct str legacy_path;           /**< what older services know; p == NULL: nothing */
	struct str query;                 /**< without its question mark; may be empty */
	struct str body;                  /**< JSON; p == NULL: none */
	size_t answer_ceiling_bytes;
	int64_t timeout_ms;
};

/** Whether an answer says that the service may know only the older path. */
bool as_is_unknown_path(int status);

/** Asks once, without waiting, at the path or the older one; see http_client_start(). */
void as_start(struct http_client *client, const struct as_request *request, bool is_legacy,
	fetch_finished *finished, void *data);

/**
 * Asks and waits for the answer, whatever its status; where there is an older path, at that too if need be. On the remote lane.
 * Errors: as http_client_fetch(); DEFER (ctx_may_ask)
 */
MUST_CHECK enum err as_ask(struct ctx *ctx, struct http_client *client,
	const struct as_request *request, struct fetched *out);

#endif
