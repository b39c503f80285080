/**
 * Reference counts. An object starts with one reference; whoever drops the last one destroys it.
 */
#ifndef BELFRY_BASE_REFC_H
#define BELFRY_BASE_REFC_H

#include "base/defs.h"

#include <stdatomic.h>

struct refc {
	atomic_int count;
};

static inline void refc_init(struct refc *refc)
{
	atomic_init(&refc->count, 1);
}

static inline void refc_take(struct refc *refc)
{
	int before = atomic_fetch_add_explicit(&refc->count, 1, memory_order_relaxed);
	invariant(before > 0);
}

/** Whether nobody but the caller has a reference; then nobody can get one but from the caller. */
static inline bool refc_is_only(struct refc *refc)
{
	return atomic_load_explicit(&refc->count, memory_order_acquire) == 1;
}

/** @return true when this was the last reference */
static inline bool refc_drop(struct refc *refc)
{
	int before = atomic_fetch_sub_explicit(&refc->count, 1, memory_order_acq_rel);
	invariant(before > 0);
	return before == 1;
}

#endif
