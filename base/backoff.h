/**
 * Pauses between tries of what fails: they double, and part of each is chance, so that what failed together does not come back
 * together.
 */
#ifndef BELFRY_BASE_BACKOFF_H
#define BELFRY_BASE_BACKOFF_H

#include "base/defs.h"

/** The interval after a failure: the one before doubled, between `first_ms` and `longest_ms`. @param before_ms  0: first failure */
int64_t backoff_interval_ms(int64_t before_ms, int64_t first_ms, int64_t longest_ms);
/** An interval with up to a fifth more by chance: how long to wait. */
int64_t backoff_pause_ms(int64_t interval_ms, uint64_t chance);
/**
 * What is left of a pause whose end was noted on the wall clock; 0: it is over. One that ends later than a pause of that interval may was noted
 * by a clock that has been set back since: it is over too, lest it last until that clock is there again. Where a statement finds what is
 * due, it has to find these as well.
 */
int64_t backoff_left_ms(int64_t until_ms, int64_t now_ms, int64_t interval_ms);

#endif
