/*
 * Growth of arena arrays; see vec.h.
 */
#include "base/vec.h"

#include <string.h>

enum { FIRST_COUNT = 8 };

void *vec_grow(struct arena *arena, const void *old, size_t element_bytes, size_t *capacity)
{
	size_t count = *capacity == 0 ? FIRST_COUNT : *capacity * 2;
	void *grown = arena_alloc_array(arena, count, element_bytes);
	if (*capacity > 0) {
		memcpy(grown, old, *capacity * element_bytes);
	}
	*capacity = count;
	return grown;
}
