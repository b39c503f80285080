/**
 * Claims that come while some others are at the database are taken to it together: one statement and one flush for all of them.
 */
#ifndef BELFRY_E2EE_CLAIM_QUEUE_H
#define BELFRY_E2EE_CLAIM_QUEUE_H

#include "storage/one_time_key.h"

struct claim_queue;

struct claim_queue *claim_queue_create(struct db *db);
/** No claim may wait any more. */
void claim_queue_destroy(struct claim_queue *queue);

/**
 * Takes keys as store_one_time_key_claim() does, for several callers at once; committed before it returns. Each triple of the claim is
 * there once.
 *
 * Threads: any; one of the callers does the work for all.     Errors: as the statement; what failed together with others is tried
 * once more alone.
 * Cost: one round trip, shared with others when many come; then behind one that is on its way.
 */
MUST_CHECK enum err claim_queue_take(struct ctx *ctx, struct claim_queue *queue,
	const struct key_claim *claim, struct claimed_key **out, size_t *out_count);

#endif
