/**
 * A sorted list of texts without duplicates, made once and then only asked.
 */
#ifndef BELFRY_MATRIX_STR_SET_H
#define BELFRY_MATRIX_STR_SET_H

#include "base/arena.h"
#include "base/str.h"

struct str_set {
	const struct str *items; /**< by str_compare, each once */
	size_t count;
};

/** A set of the texts, in the arena; views them. Cost: O(n log n). */
struct str_set str_set_make(struct arena *arena, const struct str *texts, size_t count);

/** Whether the text is in it. Cost: O(log n). */
bool str_set_has(const struct str_set *set, struct str text);

/** Its place in `items`, or SIZE_MAX. Cost: O(log n). */
size_t str_set_index(const struct str_set *set, struct str text);

#endif
