/**
 * Claims that come while some others are at the database are taken to it together: one statement and one flush for all of them.
 */
#ifndef BELFRY_E2EE_CLAIM_QUEUE_H
#define BELFRY_E2EE_CLAIM_QUEUE_H

#include "storage/one_time_key.h"

struct claim_queue;

/** What takes the keys: store_one_time_key_claim(), or a test's. On an error *out holds what was taken before, maybe nothing. */
typedef enum err key_claimer(struct ctx *ctx, struct db *db, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count);

struct claim_queue *claim_queue_create(struct db *db, key_claimer *claimer);
/** No claim may wait any more. */
void claim_queue_destroy(struct claim_queue *queue);

/**
 * Takes keys as store_one_time_key_claim() does, for several callers at once; committed before it returns.
 *
 * Threads: any; one of the callers does the work for all.     Errors: as the statement (what failed together with others is tried
 * once more alone; who has got some keys before has these and no error); TIMEOUT M_UNKNOWN when the request's time is over while others are at the database: keys that they take for it
 * after that are given to nobody.
 * Cost: one round trip, shared with others when many come; then behind one that is on its way.
 */
MUST_CHECK enum err claim_queue_take(struct ctx *ctx, struct claim_queue *queue,
	const struct key_claim *claim, struct claimed_key **out, size_t *out_count);

/** Claims that stand in line: neither at the database nor taken along by one that is. */
size_t claim_queue_length(struct claim_queue *queue);

#endif
