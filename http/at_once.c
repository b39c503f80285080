/*
 * A group exists as long as something of it is under way or waits. Who leaves wakes the first that waits, which then enters like
 * anybody else; if somebody was faster it waits once more, at the end. One whose time was over meanwhile is passed over, and one that
 * ends before it has entered, for whatever reason, passes its turn on: else those behind it would wait for nobody.
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
	size_t limit;
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

/* @param before  the one before it in line; NULL: it is the first. @return its park, with the reference */
static struct park *drop_after(struct at_once_group *group, struct waiter *before)
{
	struct waiter **at = before == NULL ? &group->first : &before->next;
	struct waiter *waiter = *at;
	struct park *park = waiter->park;
	*at = waiter->next;
	group->last = group->last == waiter ? before : group->last;
	group->waiting--;
	metric_add(&waiting_gauge, -1);
	mem_free(waiter);
	return park;
}

/* Those whose time is over; they may be anywhere, since who stood back keeps its time. At most as many as may wait. */
static void drop_over(struct at_once_group *group)
{
	struct waiter *before = NULL;
	struct waiter *waiter = group->first;
	while (waiter != NULL) {
		struct waiter *next = waiter->next;
		if (park_is_over(waiter->park)) {
			park_unref(drop_after(group, before));
		} else {
			before = waiter;
		}
		waiter = next;
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

uint64_t at_once_tag(enum route_rate rate, struct str key)
{
	return hash_int(hash_bytes(key) + (uint64_t)rate) | 1;
}

enum at_once_turn at_once_enter(struct at_once *all, enum route_rate rate, struct str key,
	bool has_waited, struct park *park, struct at_once_group **out)
{
	const struct rate_class *class = &all->classes[rate];
	uint64_t tag = at_once_tag(rate, key);
	LOCK_SCOPE(&all->lock);
	struct at_once_group *group = map_get(&all->groups, key_of(&tag));
	if (group == NULL) {
		group = mem_alloc(sizeof(*group));
		group->tag = tag;
		group->limit = class->at_once;
		(void)map_set(&all->groups, key_of(&tag), group);
	}
	if (group->under_way < group->limit && (has_waited || group->waiting == 0)) {
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

/* Whose turn it is, out of the line; NULL: nobody waits, or all places are taken. A group of which nothing is left is freed. */
static struct park *next_of_locked(struct at_once *all, struct at_once_group *group)
{
	drop_over(group);
	bool has_place = group->under_way < group->limit;
	struct park *next = has_place && group->first != NULL ? drop_after(group, NULL) : NULL;
	if (group->under_way == 0 && next == NULL) {
		(void)map_remove(&all->groups, key_of(&group->tag));
		mem_free(group);
	}
	return next;
}

static void wake(struct park *next)
{
	if (next != NULL) {
		park_wake(next);
		park_unref(next);
	}
}

void at_once_leave(struct at_once *all, struct at_once_group *group)
{
	lock_take(&all->lock);
	group->under_way--;
	struct park *next = next_of_locked(all, group);
	lock_give(&all->lock);
	wake(next);
}

void at_once_pass(struct at_once *all, uint64_t tag)
{
	lock_take(&all->lock);
	struct at_once_group *group = map_get(&all->groups, key_of(&tag));
	struct park *next = group != NULL ? next_of_locked(all, group) : NULL;
	lock_give(&all->lock);
	wake(next);
}
