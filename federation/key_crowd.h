/**
 * Who waits for several servers to tell their keys: a thread, or a parked call with a memo.
 */
#ifndef BELFRY_FEDERATION_KEY_CROWD_H
#define BELFRY_FEDERATION_KEY_CROWD_H

#include "http/memo.h"

/** Outlives who waits: each fetch that it waits for has a reference. */
struct key_crowd;

/** @param memo  NULL: a thread waits. One reference, to be dropped when it has waited */
struct key_crowd *key_crowd_create(struct memo *memo);
void key_crowd_unref(struct key_crowd *crowd);

/** One more to wait for, of which key_crowd_tell() is called once; any thread. */
void key_crowd_add(struct key_crowd *crowd);
void key_crowd_tell(void *crowd);

/** For a thread, until no more than `limit` are left. @return false when the time is over */
bool key_crowd_wait(struct key_crowd *crowd, size_t limit, int64_t deadline_ms);
/** For a call, after the last key_crowd_add(), once: until none is left. Errors: as memo_park() */
MUST_CHECK enum err key_crowd_park(struct ctx *ctx, struct key_crowd *crowd, int64_t deadline_ms);

#endif
