/*
 * Blocks in a list, newest first; each allocation comes from the newest block. Large requests get a
 * block of their own. A reset keeps the first small block, so that a worker's arena does not go back
 * to malloc for each request.
 */
#include "base/arena.h"

#include "base/arena_sized.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
	FIRST_BLOCK_BYTES = 8192,
	SMALL_BLOCK_BYTES = 1024,
	MAX_KEPT_BYTES = 65536,
	MAX_BLOCK_BYTES = 1 << 20,
	ALIGNMENT = 16
};

struct block {
	struct block *next;
	size_t size;
	size_t used;
	_Alignas(ALIGNMENT) unsigned char bytes[];
};

struct reset_hook {
	struct reset_hook *next;
	void (*callback)(void *data);
	void *data;
};

struct arena {
	struct block *blocks;
	struct reset_hook *hooks;
	size_t used_bytes;
	size_t next_block_bytes;
	bool is_sized; /* its first block is of a given size, and still to be made */
};

struct arena *arena_create(void)
{
	struct arena *arena = mem_alloc(sizeof(*arena));
	arena->next_block_bytes = FIRST_BLOCK_BYTES;
	return arena;
}

struct arena *arena_create_sized(size_t expected_bytes)
{
	struct arena *arena = arena_create();
	arena->next_block_bytes = expected_bytes;
	arena->is_sized = true;
	return arena;
}

static void free_block(struct block *block)
{
	UNPOISON(block->bytes, block->size);
	mem_free(block);
}

/* A callback may add another; that one runs too. */
static void run_hooks(struct arena *arena)
{
	while (arena->hooks != NULL) {
		const struct reset_hook *hook = arena->hooks;
		arena->hooks = hook->next;
		hook->callback(hook->data);
	}
}

void arena_destroy(struct arena *arena)
{
	if (arena == NULL) {
		return;
	}
	run_hooks(arena);
	struct block *block = arena->blocks;
	while (block != NULL) {
		struct block *next = block->next;
		free_block(block);
		block = next;
	}
	mem_free(arena);
}

void arena_reset(struct arena *arena)
{
	run_hooks(arena);
	struct block *kept = NULL;
	struct block *block = arena->blocks;
	while (block != NULL) {
		struct block *next = block->next;
		if (block->size <= MAX_KEPT_BYTES && (kept == NULL || block->size > kept->size)) {
			if (kept != NULL) {
				free_block(kept);
			}
			kept = block;
		} else {
			free_block(block);
		}
		block = next;
	}
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
		POISON(kept->bytes, kept->size);
	}
	arena->blocks = kept;
	arena->used_bytes = 0;
	arena->next_block_bytes = kept != NULL ? kept->size * 2 : FIRST_BLOCK_BYTES;
}

static struct block *add_block(struct arena *arena, size_t at_least)
{
	size_t size = MAX_OF(arena->next_block_bytes, at_least);
	struct block *block = mem_realloc(NULL, sizeof(*block) + size);
	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	if (arena->is_sized) {
		arena->is_sized = false;
		arena->next_block_bytes = SMALL_BLOCK_BYTES;
	} else if (arena->next_block_bytes < MAX_BLOCK_BYTES) {
		arena->next_block_bytes *= 2;
	}
	POISON(block->bytes, block->size);
	return block;
}

static void *take(struct arena *arena, size_t size_bytes)
{
	invariant(size_bytes <= SIZE_MAX / 2);
	size_t need = (size_bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct block *block = arena->blocks;
	if (block == NULL || block->size - block->used < need) {
		block = add_block(arena, need);
	}
	void *p = block->bytes + block->used;
	block->used += need;
	arena->used_bytes += need;
	UNPOISON(p, size_bytes);
	return p;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
	void *p = take(arena, size_bytes);
	memset(p, 0, size_bytes);
	return p;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes)
{
	size_t total;
	bool overflow = __builtin_mul_overflow(count, size_bytes, &total);
	invariant(!overflow);
	return arena_alloc(arena, total);
}

char *arena_dup(struct arena *arena, const void *bytes, size_t size_bytes)
{
	char *p = take(arena, size_bytes + 1);
	if (size_bytes > 0) {
		memcpy(p, bytes, size_bytes);
	}
	p[size_bytes] = '\0';
	return p;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	char small[256];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	invariant(length >= 0);
	if ((size_t)length < sizeof(small)) {
		return arena_dup(arena, small, (size_t)length);
	}
	char *p = take(arena, (size_t)length + 1);
	va_start(args, format);
	(void)vsnprintf(p, (size_t)length + 1, format, args);
	va_end(args);
	return p;
}

void arena_on_reset(struct arena *arena, void (*callback)(void *data), void *data)
{
	struct reset_hook *hook = ARENA_NEW(arena, struct reset_hook);
	hook->callback = callback;
	hook->data = data;
	hook->next = arena->hooks;
	arena->hooks = hook;
}

size_t arena_used_bytes(const struct arena *arena)
{
	return arena->used_bytes;
}

size_t arena_held_bytes(const struct arena *arena)
{
	size_t bytes = sizeof(*arena);
	for (const struct block *block = arena->blocks; block != NULL; block = block->next) {
		bytes += sizeof(*block) + block->size;
	}
	return bytes;
}

void arena_cleanup(struct arena **arena)
{
	arena_destroy(*arena);
}
