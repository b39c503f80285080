/**
 * The C library's heap as a whole: what is used of it, and its pages that nobody uses.
 */
#ifndef BELFRY_BASE_HEAP_H
#define BELFRY_BASE_HEAP_H

#include "base/defs.h"

/** All 0 where a sanitizer has the heap. */
struct heap_bytes {
	size_t used;   /**< given out, and what threads keep for the next who ask */
	size_t unused; /**< of nobody, whether the system has its pages or not */
};

/** What is remembered from one look to the next. Begins zeroed. */
struct heap_watch {
	/** The least own memory beside what was used, since pages were given back. */
	int64_t idle_bytes;
};

/**
 * Looks at the heap. Where 2 MiB more of the process's own memory are in no use than after pages were given back last, those of unused
 * memory are given to the system; they come back, zeroed, when they are used. Call it every few seconds, from one thread.
 * Cost: looks at all free blocks, under the heap's locks
 */
struct heap_bytes heap_tend(struct heap_watch *watch);

#endif
