/*
 * Thin wrappers of malloc. Running out of memory is not an error that a request could answer: the
 * process ends, the supervisor starts it anew, and nothing acknowledged is lost since that is in the
 * database.
 */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void out_of_memory(size_t size_bytes)
{
	(void)fprintf(stderr, "belfry: out of memory (asked for %zu bytes)\n", size_bytes);
	abort();
}

void *mem_alloc(size_t size_bytes)
{
	void *p = calloc(1, size_bytes == 0 ? 1 : size_bytes);
	if (p == NULL) {
		out_of_memory(size_bytes);
	}
	return p;
}

void *mem_alloc_array(size_t count, size_t size_bytes)
{
	void *p = calloc(count == 0 ? 1 : count, size_bytes == 0 ? 1 : size_bytes);
	if (p == NULL) {
		out_of_memory(size_bytes);
	}
	return p;
}

void *mem_realloc(void *pointer, size_t size_bytes)
{
	void *p = realloc(pointer, size_bytes == 0 ? 1 : size_bytes);
	if (p == NULL) {
		out_of_memory(size_bytes);
	}
	return p;
}

void *mem_dup(const void *bytes, size_t size_bytes)
{
	char *p = malloc(size_bytes + 1);
	if (p == NULL) {
		out_of_memory(size_bytes);
	}
	if (size_bytes > 0) {
		memcpy(p, bytes, size_bytes);
	}
	p[size_bytes] = '\0';
	return p;
}

void mem_free(void *pointer)
{
	free(pointer);
}
