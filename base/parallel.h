/**
 * Work on many things of a kind, by all processors at once.
 */
#ifndef BELFRY_BASE_PARALLEL_H
#define BELFRY_BASE_PARALLEL_H

#include "base/defs.h"

/** Threads at the most, the caller's among them: others have work to do as well. */
enum { PARALLEL_MAX_THREADS = 8 };

/** Works on the things from `from` to before `to`; on any thread, while other parts are worked on by others. */
typedef void parallel_work(void *data, size_t from, size_t to);

/**
 * Divides `count` things among the processors and returns when all are done. With fewer than two parts of `grain` things, or one
 * processor, the caller does it alone; else threads are started for it, so a part should take a millisecond at least.
 *
 * @param grain  things that are not divided further; > 0
 * No lock may be held.
 */
void parallel_for(size_t count, size_t grain, parallel_work *work, void *data);

#endif
