/**
 * Heap allocation that ends the process when there is none left, so that results are never checked.
 * Budgets (bodies, pages, queues) are limited elsewhere; see conventions 2.3.
 */
#ifndef BELFRY_BASE_MEM_H
#define BELFRY_BASE_MEM_H

#include "base/defs.h"

/** `size_bytes` zeroed bytes; never NULL. Free with mem_free(). */
void *mem_alloc(size_t size_bytes) __attribute__((malloc, alloc_size(1)));

/** `count` × `size_bytes` zeroed bytes; ends the process on overflow. Free with mem_free(). */
void *mem_alloc_array(size_t count, size_t size_bytes) __attribute__((malloc, alloc_size(1, 2)));

/** Grows or shrinks; new bytes are not zeroed. `pointer` may be NULL. */
void *mem_realloc(void *pointer, size_t size_bytes) __attribute__((alloc_size(2)));

/** Copy of `size_bytes` bytes, followed by one zero byte that is not counted. */
void *mem_dup(const void *bytes, size_t size_bytes) __attribute__((malloc));

/** Frees; NULL does nothing. */
void mem_free(void *pointer);

#endif
