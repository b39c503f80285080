/**
 * Rooms with forks for tests: every event gets the resolved state of its previous events, and its auth
 * events from that state, as a server would do it.
 */
#ifndef BELFRY_TESTS_SUPPORT_ROOM_GRAPH_H
#define BELFRY_TESTS_SUPPORT_ROOM_GRAPH_H

#include "base/vec.h"
#include "tests/support/room_builder.h"

/** An event in the graph. */
struct room_node {
	const struct event *event;
	struct state_map state; /**< after it */
};

struct room_graph {
	struct room_builder *room;
	VEC(struct room_node *) nodes; /**< in the order of adding */
};

/** @param room  initialised; its `state` and `last` are used from now on */
void room_graph_init(struct room_graph *graph, struct room_builder *room);

/**
 * Adds an event behind others.
 *
 * @param prev  NULL with prev_count 0 for the create event
 * @return NULL when the rules refuse it on the state before; then nothing was added
 */
struct room_node *room_graph_add(struct room_graph *graph, struct room_node *const *prev,
	size_t prev_count, const struct room_draft *draft);

/** The same; `out_event` gets the event also when it was refused. */
struct room_node *room_graph_try(struct room_graph *graph, struct room_node *const *prev,
	size_t prev_count, const struct room_draft *draft, const struct event **out_event);

/** The resolved state of several nodes. */
struct state_map room_graph_resolve(struct room_graph *graph, struct room_node *const *nodes,
	size_t n);

/** Same keys, same events. */
bool room_states_equal(const struct state_map *a, const struct state_map *b);

/** Reproducible numbers below `below`; the seed is the state. */
size_t room_random(uint64_t *seed, size_t below);

#endif
