/*
 * Last in, first out: the arena that was used last is the one still in the processor's cache.
 */
#include "http/arenas.h"

#include "base/lock.h"
#include "base/mem.h"

enum { MAX_KEPT = 32 };

struct arenas {
	struct lock lock; /* guards all below */
	struct arena *kept[MAX_KEPT];
	size_t n;
	size_t out; /* taken and not yet given back */
};

struct arenas *arenas_create(void)
{
	struct arenas *arenas = mem_alloc(sizeof(*arenas));
	lock_init(&arenas->lock, RANK_LEAF);
	return arenas;
}

void arenas_destroy(struct arenas *arenas)
{
	if (arenas == NULL) {
		return;
	}
	invariant(arenas->out == 0);
	for (size_t i = 0; i < arenas->n; i++) {
		arena_destroy(arenas->kept[i]);
	}
	lock_fini(&arenas->lock);
	mem_free(arenas);
}

struct arena *arenas_take(struct arenas *arenas)
{
	lock_take(&arenas->lock);
	struct arena *arena = arenas->n > 0 ? arenas->kept[--arenas->n] : NULL;
	arenas->out++;
	lock_give(&arenas->lock);
	return arena != NULL ? arena : arena_create();
}

void arenas_give(struct arenas *arenas, struct arena *arena)
{
	arena_reset(arena); /* runs hooks, so outside the lock */
	lock_take(&arenas->lock);
	arenas->out--;
	if (arenas->n < MAX_KEPT) {
		arenas->kept[arenas->n++] = arena;
		arena = NULL;
	}
	lock_give(&arenas->lock);
	arena_destroy(arena);
}
