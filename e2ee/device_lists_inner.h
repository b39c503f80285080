/**
 * Inside of device lists: what device_lists.c (changes) and device_list_news.c (what a user hears) share.
 */
#ifndef BELFRY_E2EE_DEVICE_LISTS_INNER_H
#define BELFRY_E2EE_DEVICE_LISTS_INNER_H

#include "base/vec.h"
#include "e2ee/device_lists.h"
#include "homeserver/user/users.h"

/** User ids in the arena. */
struct user_list {
	struct str *p;
	size_t n;
	size_t capacity;
};

/** Numbers of the rooms that are joined, sorted. */
int64_t *joined_nids(struct arena *arena, const struct user_room *rooms, size_t count,
	size_t *out_n);

/** Whether nobody's keys changed after a position, as far as memory goes back. */
bool device_lists_are_quiet(struct device_lists *lists, int64_t position);

/**
 * Adds the users whose keys changed in the span and who share one of the rooms, from memory.
 * @return false when the span begins before what the memory holds
 */
bool device_lists_recall(struct device_lists *lists, struct arena *arena,
	const struct list_span *span, const int64_t *nids, size_t count, struct user_list *out);

#endif
