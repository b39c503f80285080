/*
 * Rooms with forks for tests; see room_graph.h.
 */
#include "tests/support/room_graph.h"

#include "matrix/auth.h"

void room_graph_init(struct room_graph *graph, struct room_builder *room)
{
	*graph = (struct room_graph){.room = room};
}

struct state_map room_graph_resolve(struct room_graph *graph, struct room_node *const *nodes,
	size_t n)
{
	struct room_builder *room = graph->room;
	struct state_map *sets = ARENA_NEW_ARRAY(room->arena, struct state_map, n + 1);
	for (size_t i = 0; i < n; i++) {
		sets[i] = nodes[i]->state;
	}
	const struct event_source source = made_room_source(room);
	struct state_map resolved;
	resolve_state(room->arena, room->version, sets, n, &source, &resolved);
	return resolved;
}

struct room_node *room_graph_try(struct room_graph *graph, struct room_node *const *prev,
	size_t prev_count, const struct room_draft *draft, const struct event **out_event)
{
	struct room_builder *room = graph->room;
	room->state = room_graph_resolve(graph, prev, prev_count);
	const struct event **prev_events =
		ARENA_NEW_ARRAY(room->arena, const struct event *, prev_count + 1);
	int64_t depth = 0;
	for (size_t i = 0; i < prev_count; i++) {
		prev_events[i] = prev[i]->event;
		depth = MAX_OF(depth, prev[i]->event->depth);
	}
	struct room_draft whole = *draft;
	whole.prev = prev_events;
	whole.prev_count = prev_count;
	whole.has_no_prev = prev_count == 0;
	whole.depth = draft->depth != 0 ? draft->depth : depth + 1;
	const struct event *event = made_room_make(room, &whole);
	*out_event = event;
	const struct state_view view = state_map_view(&room->state);
	if (!auth_check(event, &view).allowed) {
		return NULL;
	}
	made_room_apply(room, event);
	struct room_node *node = ARENA_NEW(room->arena, struct room_node);
	node->event = event;
	node->state = room->state;
	VEC_PUSH(room->arena, &graph->nodes, node);
	return node;
}

struct room_node *room_graph_add(struct room_graph *graph, struct room_node *const *prev,
	size_t prev_count, const struct room_draft *draft)
{
	const struct event *event;
	return room_graph_try(graph, prev, prev_count, draft, &event);
}

bool room_states_equal(const struct state_map *a, const struct state_map *b)
{
	if (a->n != b->n) {
		return false;
	}
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(a, &at)) != NULL) {
		const struct event *other = state_map_get(b, event->type, event->state_key);
		if (other == NULL || !str_equals(event->event_id.s, other->event_id.s)) {
			return false;
		}
	}
	return true;
}

size_t room_random(uint64_t *seed, size_t below)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15u; /* SplitMix64 */
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	return (size_t)(x % below);
}
