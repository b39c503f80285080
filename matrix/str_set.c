/*
 * Sorting once and halving afterwards keeps every list that comes from outside (invitees, senders
 * of a filter, mentioned users) away from quadratic work, without a hash table that would have to
 * be freed.
 */
#include "matrix/str_set.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

struct str_set str_set_make(struct arena *arena, const struct str *texts, size_t count)
{
	if (count == 0) {
		return (struct str_set){0};
	}
	struct str *items = ARENA_NEW_ARRAY(arena, struct str, count);
	memcpy(items, texts, count * sizeof(*texts));
	qsort(items, count, sizeof(*items), compare);
	size_t n = 1;
	for (size_t i = 1; i < count; i++) {
		if (!str_equals(items[i], items[n - 1])) {
			items[n++] = items[i];
		}
	}
	return (struct str_set){.items = items, .count = n};
}

size_t str_set_index(const struct str_set *set, struct str text)
{
	if (set->count == 0) {
		return SIZE_MAX;
	}
	const struct str *found = bsearch(&text, set->items, set->count, sizeof(*set->items), compare);
	return found != NULL ? (size_t)(found - set->items) : SIZE_MAX;
}

bool str_set_has(const struct str_set *set, struct str text)
{
	return str_set_index(set, text) != SIZE_MAX;
}
