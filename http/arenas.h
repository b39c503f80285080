/**
 * A stack of arenas for reuse, so that a request does not begin with malloc.
 */
#ifndef BELFRY_HTTP_ARENAS_H
#define BELFRY_HTTP_ARENAS_H

#include "base/arena.h"

struct arenas;

struct arenas *arenas_create(void);
/** All arenas must be back. NULL does nothing. */
void arenas_destroy(struct arenas *arenas);

/** An empty arena. Threads: any. */
struct arena *arenas_take(struct arenas *arenas);
/** Resets it and keeps it, or destroys it when there are enough. */
void arenas_give(struct arenas *arenas, struct arena *arena);

#endif
