/**
 * Typed growing arrays in an arena.
 *
 *     VEC(struct event *) events = {0};
 *     VEC_PUSH(arena, &events, event);
 *     for (size_t i = 0; i < events.n; i++) use(events.p[i]);
 */
#ifndef BELFRY_BASE_VEC_H
#define BELFRY_BASE_VEC_H

#include "base/arena.h"

#define VEC(type) \
	struct { \
		type *p; \
		size_t n; \
		size_t capacity; \
	}

/** Appends a copy of `value`; the old array stays in the arena until its reset. */
#define VEC_PUSH(arena, vec, value) \
	do { \
		if ((vec)->n == (vec)->capacity) { \
			(vec)->p = vec_grow((arena), (vec)->p, sizeof(*(vec)->p), &(vec)->capacity); \
		} \
		(vec)->p[(vec)->n++] = (value); \
	} while (0)

/** Doubles an array; used by VEC_PUSH. */
void *vec_grow(struct arena *arena, const void *old, size_t element_bytes, size_t *capacity);

#endif
