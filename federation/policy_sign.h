/**
 * Asking the policy servers of rooms to sign events (struct policy_port).
 *
 * Whoever sends into such a room waits for one, so they are kept from harming others: a request with a memo waits without its worker; few
 * questions at a time, for each and for all; one that does not answer is left alone for a while, and is tried by one question when that is over.
 * Spec: server-server API, "Asking for a Policy Server signature on an event"
 */
#ifndef BELFRY_FEDERATION_POLICY_SIGN_H
#define BELFRY_FEDERATION_POLICY_SIGN_H

#include "federation/federation.h"

struct policy_askers;

struct policy_askers *policy_askers_create(void);
/** After the HTTP client has stopped. */
void policy_askers_destroy(struct policy_askers *askers);

/** The port's function; `self` is the federation. */
enum err policy_sign(void *self, struct ctx *ctx, struct server_name server,
	const struct event *event, struct json *out);

#endif
