/**
 * Bump allocator: everything that one request (job batch, consumer round) makes is freed at once.
 *
 * An arena belongs to one thread at a time. Pointers into it are valid until arena_reset() or
 * arena_destroy().
 */
#ifndef BELFRY_BASE_ARENA_H
#define BELFRY_BASE_ARENA_H

#include "base/defs.h"

struct arena;

/** A new empty arena; nothing is allocated until first use. Free with arena_destroy(). */
struct arena *arena_create(void);

/** Runs the on-reset callbacks (newest first) and frees everything. NULL does nothing. */
void arena_destroy(struct arena *arena);

/** Runs the on-reset callbacks and makes the arena empty; keeps one block (≤ 64 KiB) for reuse. */
void arena_reset(struct arena *arena);

/** `size_bytes` zeroed bytes aligned for any type; never NULL. */
void *arena_alloc(struct arena *arena, size_t size_bytes) __attribute__((alloc_size(2)));

/** `count` × `size_bytes` zeroed bytes; ends the process on overflow. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes);

/** Copy of `size_bytes` bytes followed by one zero byte that is not counted. */
char *arena_dup(struct arena *arena, const void *bytes, size_t size_bytes);

/** printf into the arena; the result is NUL-terminated. */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/** Calls `callback(data)` once, when the arena is next reset or destroyed. */
void arena_on_reset(struct arena *arena, void (*callback)(void *data), void *data);

/** Bytes handed out since the last reset (for budgets and metrics). */
size_t arena_used_bytes(const struct arena *arena);

/** For CLEANUP(): `struct arena *a CLEANUP(arena_cleanup) = arena_create();` */
void arena_cleanup(struct arena **arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_NEW_ARRAY(arena, type, count) \
	((type *)arena_alloc_array((arena), (count), sizeof(type)))

#endif
