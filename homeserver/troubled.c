/*
 * A map from names to themselves. That there are none, as nearly always, is seen without the lock.
 */
#include "homeserver/troubled.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdatomic.h>

struct troubled {
	struct lock lock;
	struct map names; /* guarded by lock */
	atomic_size_t n;
};

struct troubled *troubled_create(void)
{
	struct troubled *troubled = mem_alloc(sizeof(*troubled));
	lock_init(&troubled->lock, RANK_LEAF);
	map_init(&troubled->names);
	atomic_init(&troubled->n, 0);
	return troubled;
}

void troubled_destroy(struct troubled *troubled)
{
	if (troubled != NULL) {
		map_fini(&troubled->names);
		lock_fini(&troubled->lock);
		mem_free(troubled);
	}
}

void troubled_add(struct troubled *troubled, struct str name)
{
	LOCK_SCOPE(&troubled->lock);
	if (troubled->names.n < TROUBLED_MAX) {
		(void)map_set(&troubled->names, name, troubled);
		atomic_store(&troubled->n, troubled->names.n);
	}
}

bool troubled_take(struct troubled *troubled, struct str name)
{
	if (atomic_load(&troubled->n) == 0) {
		return false;
	}
	LOCK_SCOPE(&troubled->lock);
	bool was_there = map_remove(&troubled->names, name) != NULL;
	atomic_store(&troubled->n, troubled->names.n);
	return was_there;
}
