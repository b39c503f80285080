/**
 * Arenas that hold little and live long, many at once (stored events): an arena of base/arena.h begins with 8 KiB, most of which would
 * stay empty.
 */
#ifndef BELFRY_BASE_ARENA_SIZED_H
#define BELFRY_BASE_ARENA_SIZED_H

#include "base/arena.h"

/** An arena whose first block has `expected_bytes`; what is more goes to blocks of 1 KiB, 2 KiB, … Free with arena_destroy(). */
struct arena *arena_create_sized(size_t expected_bytes);

/** Bytes of the heap that the arena holds, used or not. */
size_t arena_held_bytes(const struct arena *arena);

#endif
