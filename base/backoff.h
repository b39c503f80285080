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

#endif
