/*
 * A group exists as long as something of it is under way or waits. Who leaves wakes the first that waits, which then enters like
 * anybody else; if somebody was faster it waits once more, at the end. One whose time was over meanwhile is passed over.
 */
#include "http/at_once.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"

struct waiter {
	struct waiter *next;
	struct park *park;
};

struct at_once_group {
	uint64_t tag; /* hash of class and caller: its key in the map */
	size_t under_way;
	size_t waiting;
	struct waiter *first;
	struct waiter *last;
};

struct at_once {
	struct rate_class classes[RATE_CLASS_COUNT];
	struct lock lock;
	struct map groups; /* tag → struct at_once_group *; guarded by lock, like all in them */
};

static struct metric waiting_gauge = METRIC_GAUGE("belfry_http_waiting_turns",
	"Requests that wait until others of the same caller are done");

struct at_once *at_once_create(const struct rate_class *classes)
{
	struct at_once *all = mem_alloc(sizeof(*all));
	for (size_t i = 0; i < RATE_CLASS_COUNT; i++) {
		all->classes[i] = classes[i];
	}
	lock_init(&all->lock, RANK_RATE);
	map_init(&all->groups);
	return all;
}

bool at_once_has_limit(const struct at_once *all, enum route_rate rate)
{
	return all->classes[rate].at_once > 0;
}

static void add_waiter(struct at_once_group *group, struct park *park)
{
	struct waiter *waiter = mem_alloc(sizeof(*waiter));
	*waiter = (struct waiter){.park = park};
	park_ref(park);
	if (group->last != NULL) {
		group->last->next = waiter;
	} else {
		group->first = waiter;
	}
	group->last = waiter;
	group->waiting++;
	metric_add(&waiting_gauge, 1);
}

/* @return its park, with the reference */
static struct park *drop_first(struct at_once_group *group)
{
	struct waiter *waiter = group->first;
	struct park *park = waiter->park;
	group->first = waiter->next;
	group->last = group->first == NULL ? NULL : group->last;
	group->waiting--;
	metric_add(&waiting_gauge, -1);
	mem_free(waiter);
	return park;
}

/* Those at the front whose time is over. */
static void drop_over(struct at_once_group *group)
{
	while (group->first != NULL && park_is_over(group->first->park)) {
		park_unref(drop_first(group));
	}
}

static struct str key_of(const uint64_t *tag)
{
	return str_from((const char *)tag, sizeof(*tag));
}

void at_once_destroy(struct at_once *all)
{
	if (all == NULL) {
		return;
	}
	size_t at = 0;
	struct str key;
	void *group;
	while (map_next(&all->groups, &at, &key, &group)) {
		drop_over(group);
		invariant(((struct at_once_group *)group)->under_way == 0 &&
			((struct at_once_group *)group)->waiting == 0);
		mem_free(group);
	}
	map_fini(&all->groups);
	lock_fini(&all->lock);
	mem_free(all);
}

enum at_once_turn at_once_enter(struct at_once *all, enum route_rate rate, struct str key,
	bool has_waited, struct park *park, struct at_once_group **out)
{
	const struct rate_class *class = &all->classes[rate];
	uint64_t tag = hash_int(hash_bytes(key) + (uint64_t)rate);
	LOCK_SCOPE(&all->lock);
	struct at_once_group *group = map_get(&all->groups, key_of(&tag));
	if (group == NULL) {
		group = mem_alloc(sizeof(*group));
		group->tag = tag;
		(void)map_set(&all->groups, key_of(&tag), group);
	}
	if (group->under_way < class->at_once && (has_waited || group->waiting == 0)) {
		group->under_way++;
		*out = group;
		return AT_ONCE_ENTERED;
	}
	drop_over(group);
	if (park == NULL || group->waiting >= class->waiting) {
		return AT_ONCE_FULL;
	}
	add_waiter(group, park);
	return AT_ONCE_WAITS;
}

void at_once_leave(struct at_once *all, struct at_once_group *group)
{
	lock_take(&all->lock);
	group->under_way--;
	drop_over(group);
	struct park *next = group->first != NULL ? drop_first(group) : NULL;
	if (group->under_way == 0 && next == NULL) {
		(void)map_remove(&all->groups, key_of(&group->tag));
		mem_free(group);
	}
	lock_give(&all->lock);
	if (next != NULL) {
		park_wake(next);
		park_unref(next);
	}
}
