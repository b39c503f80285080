/**
 * A thread that works in rounds: it looks for what is due, does it, and sleeps until more may be due or somebody wakes it. What a round fails
 * at is logged, and tried again in the next.
 */
#ifndef BELFRY_BASE_ROUNDS_H
#define BELFRY_BASE_ROUNDS_H

#include "base/ctx.h"

struct rounds_def {
	const char *name; /**< of the thread, ≤ 15 bytes; static */
	int64_t limit_ms; /**< deadline of a round */
	/**
	 * One round. @param out_pause_ms  how long nothing is to be done unless somebody wakes the thread; is not looked at when it fails
	 * Errors: any; SHUTDOWN is not logged
	 */
	enum err (*run)(void *self, struct ctx *ctx, int64_t *out_pause_ms);
	/** What is left to be done when the thread ends, on it; NULL: nothing. */
	void (*end)(void *self, struct ctx *ctx);
	void *self;
};

struct rounds;

/** The definition is copied. */
struct rounds *rounds_create(const struct rounds_def *def);
/** Starts the thread; its first round begins at once. */
void rounds_start(struct rounds *rounds);
/** There may be something to do: a round begins now, or again when this one ends. Any thread, whatever locks it holds; also before the start. */
void rounds_wake(struct rounds *rounds);
/** Whether it is time to end; a long round looks now and then. Any thread. */
bool rounds_is_stopping(const struct rounds *rounds);
/** Returns when the thread has ended; nothing when it was not started, or for NULL. */
void rounds_stop(struct rounds *rounds);
/** Stops if need be, and frees. NULL does nothing. */
void rounds_destroy(struct rounds *rounds);

#endif
