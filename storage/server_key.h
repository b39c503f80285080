/**
 * Signing keys of other servers, and their answers about them as they were signed.
 */
#ifndef BELFRY_STORAGE_SERVER_KEY_H
#define BELFRY_STORAGE_SERVER_KEY_H

#include "matrix/server_keys.h"
#include "storage/db.h"

/** Keys kept of one server. */
enum { SERVER_KEYS_KEPT = 256 };

struct server_key_row {
	struct str server;
	struct server_key key;
};

/** All keys of some servers; those of one server stand together, seen last first. One round trip. */
MUST_CHECK enum err store_server_key_list(struct ctx *ctx, struct db *db, const struct str *servers,
	size_t server_count, struct server_key_row **out, size_t *out_count);

/** What a server said about its keys. */
struct server_key_answer {
	struct str server;
	struct str text; /**< JSON as received; p == NULL: the answer is not kept */
	int64_t valid_until_ms;
	int64_t received_at_ms;
};

/** Keys of a server and its answer; keys beyond SERVER_KEYS_KEPT go. A transaction of three or four round trips. */
MUST_CHECK enum err store_server_key_put(struct ctx *ctx, struct db *db,
	const struct server_key_answer *answer, const struct server_key *keys, size_t count);

/** The newest answers of some servers, in no order. One round trip. */
MUST_CHECK enum err store_server_key_answers(struct ctx *ctx, struct db *db,
	const struct str *servers, size_t server_count, struct server_key_answer **out,
	size_t *out_count);

/** Forgets the keys and answers that were seen longest ago, beyond these numbers. Two round trips. */
MUST_CHECK enum err store_server_key_forget(struct ctx *ctx, struct db *db, int64_t keys,
	int64_t answers);

#endif
