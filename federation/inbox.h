/**
 * Transactions of other servers: staged in the database before they are answered, then worked off.
 *
 * What came stands in queues, each in order: a room's PDUs in the room's, EDUs in their server's. A few threads take queues in turn; one
 * that has to wait for another server goes on with threads of its own kind, so that it delays nobody. A queue is worked off by one thread
 * at a time, of one process (EDUs), or in each (PDUs). After a restart everything that was acknowledged is still there.
 * Spec: server-server API, "Transactions"
 */
#ifndef BELFRY_FEDERATION_INBOX_H
#define BELFRY_FEDERATION_INBOX_H

#include "federation/federation.h"

struct inbox;

struct inbox *inbox_create(struct federation *federation);
/** Starts the threads; what was left over is taken up. Errors: STORE */
MUST_CHECK enum err inbox_start(struct ctx *ctx, struct inbox *inbox);
/** Ends the threads; what is not worked off stays staged. NULL does nothing. The HTTP client was stopped before. */
void inbox_stop(struct inbox *inbox);
void inbox_destroy(struct inbox *inbox);

/**
 * Something is to be done in a room's (or server's) queue: what came there, or the rest of a room that is partial (join_rest.h). Any thread.
 */
void inbox_wake(struct inbox *inbox, struct str queue);

/** Whether this process works off a queue: any a room's, one of all a server's. From memory; any thread. */
bool inbox_is_ours(struct inbox *inbox, struct str queue);

/** A transaction that came. */
struct inbox_transaction {
	struct server_name origin; /**< who signed the request */
	struct str txn_id;
	const struct json *body; /**< object */
};
/**
 * Takes a transaction: what can be told of its PDUs at once is in the answer, the rest is staged.
 *
 * @param out_answer  JSON object {"pdus":{…}}; in the arena. One that comes again gets the same.
 * Errors: INPUT M_BAD_JSON, M_TOO_LARGE, M_INVALID_PARAM (shape); LIMIT M_LIMIT_EXCEEDED (too much of this server, or of all, waits);
 * STORE
 * Cost: one round trip and one commit, however many PDUs; two round trips for each room that is not loaded.
 */
MUST_CHECK enum err inbox_take(struct ctx *ctx, struct inbox *inbox,
	const struct inbox_transaction *transaction, struct str *out_answer);

#endif
