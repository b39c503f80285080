/**
 * This server as a notary: what other servers say about their keys, signed by this one too.
 * Spec: server-server API, "Querying Keys Through Another Server"
 */
#ifndef BELFRY_FEDERATION_NOTARY_H
#define BELFRY_FEDERATION_NOTARY_H

#include "federation/federation.h"

/** Servers of one query. */
enum { NOTARY_MAX_SERVERS = 100 };

/** Whose keys are asked for, and until when they have to hold. */
struct notary_query {
	struct server_name server;
	int64_t until_ms;
};

/**
 * The answers of servers, each with this server's signature added; servers that cannot be asked and of which nothing is known are
 * left out, and so are those with which this server does not federate.
 * @param out_entries  canonical JSON texts in the arena
 * Errors: STORE; DEFER where other servers may not be asked
 * Cost: two round trips; requests to the servers whose keys do not hold so long
 */
MUST_CHECK enum err notary_query(struct ctx *ctx, struct federation *federation,
	const struct notary_query *queries, size_t count, struct str **out_entries, size_t *out_count);

#endif
