/**
 * Token buckets by class and caller, in a table of fixed size.
 */
#ifndef BELFRY_HTTP_RATE_H
#define BELFRY_HTTP_RATE_H

#include "base/str.h"
#include "http/route.h"

/** One class: `burst` in a row, then `per_second`. per_second 0: no limit. */
struct rate_class {
	double per_second;
	int64_t burst;
	size_t at_once; /**< of one caller that may be under way, see at_once.h; 0: no limit */
	size_t waiting; /**< of one caller that wait for that */
};

struct rate_table;

/** @param classes  RATE_CLASS_COUNT rows, copied; RATE_NONE's is not looked at */
struct rate_table *rate_create(const struct rate_class *classes);
void rate_destroy(struct rate_table *table);

/**
 * So many processes share the callers: each gives out its share of a class's rate, and of its burst (rounded up). Any thread.
 * @param processes  at least 1
 */
void rate_share(struct rate_table *table, size_t processes);

/**
 * Takes tokens: all or none.
 *
 * @param key     whose bucket; "" is exempt
 * @param tokens  at least 1; more than a full bucket holds, or this process's share of one, count as a full one
 * @param now_us  monotonic microseconds
 * @return        0 when they were there, else milliseconds (≥ 1) until they are
 *
 * Threads: any.     Cost: one short lock, no allocation.
 */
int64_t rate_take(struct rate_table *table, enum route_rate rate, struct str key, size_t tokens,
	int64_t now_us);

/**
 * Takes more for what one was taken for already: with that one no more than a full bucket.
 * @param tokens  may be 0
 * @return        0, or milliseconds until that one and these are there
 */
int64_t rate_take_more(struct rate_table *table, enum route_rate rate, struct str key,
	size_t tokens, int64_t now_us);

/** Puts one back: what it was taken for did not count. One that is full, or forgotten, stays as it is. */
void rate_give(struct rate_table *table, enum route_rate rate, struct str key, int64_t now_us);

#endif
