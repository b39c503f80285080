/**
 * (type, state key) → event: the currency between authorisation, resolution and storage.
 */
#ifndef BELFRY_MATRIX_STATE_MAP_H
#define BELFRY_MATRIX_STATE_MAP_H

#include "matrix/event.h"

struct state_entry {
	const struct event *event; /**< a state event; its type and state_key are the key; NULL: free */
	uint64_t hash;             /**< of the key */
};

/** Hash table in an arena; grows; not synchronised. A zeroed struct with `arena` set is empty. */
struct state_map {
	struct arena *arena;
	struct state_entry *slots;
	size_t capacity;
	size_t n;
};

void state_map_init(struct state_map *map, struct arena *arena);
/** NULL when there is none. */
const struct event *state_map_get(const struct state_map *map, struct str type,
	struct str state_key);
/** Puts a state event under its own key; @return what stood there, or NULL. */
const struct event *state_map_put(struct state_map *map, const struct event *event);
/** @return what was removed, or NULL */
const struct event *state_map_remove(struct state_map *map, struct str type, struct str state_key);
/** `size_t i = 0; while ((e = state_map_next(&m, &i)) != NULL)`, in no order. */
const struct event *state_map_next(const struct state_map *map, size_t *iterator);

/**
 * How the rules ask for state without caring where it is kept (a map, the room cache, a test).
 * `get` returns NULL when there is no such state; what it returns lives as long as the view.
 */
struct state_view {
	const struct event *(*get)(void *self, struct str type, struct str state_key);
	void *self;
};

/** A view of the map, which must outlive it and may not change meanwhile. */
struct state_view state_map_view(const struct state_map *map);

static inline const struct event *state_view_get(const struct state_view *view, struct str type,
	struct str state_key)
{
	return view->get(view->self, type, state_key);
}

#endif
