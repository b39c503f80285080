/**
 * Asking for a server's keys, without waiting: the server itself, then the notaries one after the other.
 * Spec: server-server API, "Retrieving server keys", "Querying Keys Through Another Server"
 */
#ifndef BELFRY_FEDERATION_KEY_FETCH_H
#define BELFRY_FEDERATION_KEY_FETCH_H

#include "federation/federation.h"
#include "matrix/server_keys.h"

/** Which keys are wanted. A server tells all that it has; a notary tells of those, and asks the server when it knows no newer ones. */
struct key_wish {
	const struct str *key_ids; /**< "ed25519:abc" */
	size_t key_id_count;       /**< 0: any */
	int64_t until_ms;          /**< wall clock; they should be valid then */
};

/** What came of it; borrowed for the callback. */
struct key_fetch_end {
	const struct server_keys *keys; /**< NULL: nobody could tell */
	struct str text;                /**< the answer as JSON, as the server signed it */
	int64_t valid_until_ms;         /**< as the answer has it */
	bool is_direct;                 /**< from the server itself */
	bool is_stopping;               /**< this server ends: nobody was asked to the end */
};
typedef void key_fetch_finished(void *data, const struct key_fetch_end *end);

/** `finished` is called once, on a thread that may not be blocked, or before this returns. @param wish  copied */
void key_fetch_start(struct federation *federation, struct server_name server,
	const struct key_wish *wish, key_fetch_finished *finished, void *data);

#endif
