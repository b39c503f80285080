/**
 * Memory that requests hold: all together no more than so much, and no caller more than a share of that, so that nobody keeps the others
 * out. What is small is not counted, and one claim alone is granted however large it is: by all, and by its caller.
 */
#ifndef BELFRY_HTTP_BUDGET_H
#define BELFRY_HTTP_BUDGET_H

#include "base/defs.h"
#include "base/metrics.h"
#include "base/str.h"

struct budget_limits {
	size_t all_bytes; /**< of all; a caller has a quarter */
	size_t
		small_bytes; /**< less is not counted; as many of these as there are connections have to be bearable */
	struct metric *held; /**< a gauge of what is counted; outlives it. NULL: none */
};

/** What one request holds; all zero: nothing yet. */
struct budget_claim {
	uint64_t caller; /**< hash; 0: nobody whose share is looked at */
	size_t bytes;
};

struct budget;

struct budget *budget_create(const struct budget_limits *limits);
/** Nothing is held any more. NULL does nothing. */
void budget_destroy(struct budget *budget);

/**
 * Makes a claim as large as `bytes`; one that is as large already stays.
 *
 * @param caller  whose; the same in each call for a claim. Empty: nobody whose share is looked at
 * @return false when that is more than all or the caller may hold; then nothing has changed
 * Threads: any.  Cost: one short lock, none for what is small.
 */
MUST_CHECK bool budget_hold(struct budget *budget, struct budget_claim *claim, struct str caller,
	size_t bytes);

/** Gives back what is held, if anything. */
void budget_release(struct budget *budget, struct budget_claim *claim);

#endif
