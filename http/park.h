/**
 * Parked requests: each waits for park_wake() or its deadline, holding no thread and, unless it has handed something over (handover.h), no arena. The
 * functions for handlers and wakers stand in call.h.
 *
 * A park is ARMED while its handler still runs, then WAITING, then DONE; whoever moves it from WAITING
 * to DONE runs the request again, so that happens once.
 */
#ifndef BELFRY_HTTP_PARK_H
#define BELFRY_HTTP_PARK_H

#include "http/call.h"

struct request;
struct park_set;

struct park_deps {
	/** Runs a parked request again. Called without locks of this layer, on the waker's thread. */
	void (*wake)(void *self, struct request *request, bool is_batch);
	/** Before the first and after the last of a batch. */
	void (*batch_begin)(void *self);
	void (*batch_end)(void *self);
	/** Called by the set's thread about every tick_ms. */
	void (*tick)(void *self, int64_t now_ms);
	int64_t tick_ms;
	void *self;
};

/** Starts the thread that looks after deadlines. */
struct park_set *park_set_create(const struct park_deps *deps);
/** Stops the thread; nothing may be parked. NULL does nothing. */
void park_set_destroy(struct park_set *set);

/** A park for a request whose handler is running: one reference for the waker, one for the caller. */
struct park *park_create(struct park_set *set, struct request *request, int64_t deadline_ms);

/**
 * The handler has returned and the connection is suspended: waits from here on. Takes the caller's
 * reference.
 * @return false when a wake-up came in between: the caller runs the request again itself
 */
MUST_CHECK bool park_commit(struct park *park);

/** The handler answered after all: later wake-ups do nothing. Takes the caller's reference. */
void park_cancel(struct park *park);

/** Wakes everything that waits. */
void park_set_wake_all(struct park_set *set);

#endif
