/**
 * What is known of servers' keys, in memory and database. Inside of the keyring.
 */
#ifndef BELFRY_FEDERATION_KEY_STORE_H
#define BELFRY_FEDERATION_KEY_STORE_H

#include "base/refc.h"
#include "federation/federation.h"
#include "federation/key_fetch.h"

struct key_store;

/** All that is known of a server's keys at a time. Immutable. */
struct key_set {
	struct refc refc;
	struct arena *arena;
	struct server_name server;
	const struct server_key *keys; /**< newest first */
	size_t count;                  /**< at most SERVER_KEYS_KEPT */
};
void key_set_unref(struct key_set *set);
/** NULL when there is none. */
const struct server_key *key_set_find(const struct key_set *set, struct str key_id);

struct key_store *key_store_create(struct homeserver *hs);
void key_store_destroy(struct key_store *store);

/**
 * Sets of servers, each with a reference, in their order; what memory lacks is read in one round trip. A server of which
 * nothing is known has an empty set.
 * Errors: STORE
 */
MUST_CHECK enum err key_store_load(struct ctx *ctx, struct key_store *store,
	const struct server_name *servers, size_t count, struct key_set **out);

/**
 * Puts what a server said on top of what is known, in memory at once; key_store_flush() writes it. What comes from the
 * server itself takes the place of what was known of the same key; what a notary hands on may be older, so a key
 * that was given up stays so, and no end comes nearer. Any thread; never waits.
 * @param known  what key_store_load() gave before the server was asked
 */
void key_store_put(struct key_store *store, const struct key_set *known,
	const struct key_fetch_end *end);

/** Writes what was put since. Errors: none; a failure is logged, memory has it all the same. */
void key_store_flush(struct ctx *ctx, struct key_store *store);

#endif
