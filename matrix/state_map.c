/*
 * Open addressing with linear probing, at most three quarters full, a power of two slots. Removing
 * moves the followers back instead of leaving marks, so that maps that change a lot stay fast. The hash
 * is kept in the slot: growing hashes nothing anew, and probing seldom compares texts.
 */
#include "matrix/state_map.h"

#include "base/map.h"

enum { FIRST_CAPACITY = 16 };

static uint64_t key_hash(struct str type, struct str state_key)
{
	uint64_t hash = hash_bytes(type);
	/* Most state has the empty key; members share a type. Rotated, so that the two do not cancel. */
	return state_key.n == 0 ? hash : ((hash << 23) | (hash >> 41)) ^ hash_bytes(state_key);
}

static bool is_at(const struct state_entry *slot, uint64_t hash, struct str type,
	struct str state_key)
{
	return slot->hash == hash && str_equals(slot->event->state_key, state_key) &&
		str_equals(slot->event->type, type);
}

/* The slot of the key, or the free one where it would stand. The map has a free slot. */
static struct state_entry *find(const struct state_map *map, uint64_t hash, struct str type,
	struct str state_key)
{
	size_t mask = map->capacity - 1;
	size_t at = (size_t)hash & mask;
	while (map->slots[at].event != NULL && !is_at(&map->slots[at], hash, type, state_key)) {
		at = (at + 1) & mask;
	}
	return &map->slots[at];
}

void state_map_init(struct state_map *map, struct arena *arena)
{
	*map = (struct state_map){.arena = arena};
}

const struct event *state_map_get(const struct state_map *map, struct str type,
	struct str state_key)
{
	if (map->n == 0) {
		return NULL;
	}
	return find(map, key_hash(type, state_key), type, state_key)->event;
}

static void grow(struct state_map *map)
{
	const struct state_entry *old = map->slots;
	size_t old_capacity = map->capacity;
	map->capacity = MAX_OF((size_t)FIRST_CAPACITY, old_capacity * 2);
	map->slots = ARENA_NEW_ARRAY(map->arena, struct state_entry, map->capacity);
	size_t mask = map->capacity - 1;
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i].event == NULL) {
			continue;
		}
		size_t at = (size_t)old[i].hash & mask;
		while (map->slots[at].event != NULL) {
			at = (at + 1) & mask;
		}
		map->slots[at] = old[i];
	}
}

const struct event *state_map_put(struct state_map *map, const struct event *event)
{
	invariant(event->is_state);
	if (map->n >= map->capacity / 4 * 3) {
		grow(map);
	}
	uint64_t hash = key_hash(event->type, event->state_key);
	struct state_entry *slot = find(map, hash, event->type, event->state_key);
	const struct event *before = slot->event;
	map->n += before == NULL;
	*slot = (struct state_entry){.event = event, .hash = hash};
	return before;
}

const struct event *state_map_remove(struct state_map *map, struct str type, struct str state_key)
{
	if (map->n == 0) {
		return NULL;
	}
	const struct state_entry *slot = find(map, key_hash(type, state_key), type, state_key);
	const struct event *removed = slot->event;
	if (removed == NULL) {
		return NULL;
	}
	size_t mask = map->capacity - 1;
	size_t hole = (size_t)(slot - map->slots);
	for (size_t at = (hole + 1) & mask; map->slots[at].event != NULL; at = (at + 1) & mask) {
		/* A follower may fill the hole when its own place is not behind it. */
		size_t home = (size_t)map->slots[at].hash & mask;
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole] = (struct state_entry){0};
	map->n--;
	return removed;
}

const struct event *state_map_next(const struct state_map *map, size_t *iterator)
{
	while (*iterator < map->capacity) {
		const struct event *event = map->slots[(*iterator)++].event;
		if (event != NULL) {
			return event;
		}
	}
	return NULL;
}

static const struct event *view_get(void *self, struct str type, struct str state_key)
{
	return state_map_get((const struct state_map *)self, type, state_key);
}

struct state_view state_map_view(const struct state_map *map)
{
	/* The port's `self` is not const because other holders of state cache; this one only reads. */
	return (struct state_view){.get = view_get, .self = (void *)(uintptr_t)map};
}
