/**
 * Randomness from the operating system, behind a struct so that tests decide it.
 */
#ifndef BELFRY_BASE_RAND_H
#define BELFRY_BASE_RAND_H

#include "base/arena.h"
#include "base/str.h"

struct rng {
	void (*fill)(void *self, void *out, size_t size_bytes);
	void *self;
};

/** getrandom(2); ends the process if the kernel refuses. */
struct rng rng_os(void);

/** Unpredictable bytes, unless a test decides them. Any thread. */
void rng_fill(const struct rng *rng, void *out, size_t size_bytes);
/** All values alike. */
uint64_t rng_u64(const struct rng *rng);
/** `length` characters, uniformly from A–Z a–z 0–9. */
struct str rng_text(const struct rng *rng, struct arena *arena, size_t length);
/** `length` characters, uniformly from A–Z (device ids). */
struct str rng_upper(const struct rng *rng, struct arena *arena, size_t length);

#endif
