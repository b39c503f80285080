/*
 * The plan as a walk over the graph of what may be given up; edges to anything else are none.
 */
#include "homeserver/room/room_aside_plan.h"

#include "base/map.h"
#include "base/vec.h"

/* An event in the graph. */
struct node {
	struct aside_event *event;
	bool *goes;
	VEC(struct node *) bases;      /* it rests on them */
	VEC(struct node *) dependents; /* they rest on it, or follow it */
};

struct node_vec {
	struct node **p;
	size_t n;
	size_t capacity;
};

static void link_nodes(struct arena *arena, const struct map *by_id, struct node *node)
{
	const struct aside_event *event = node->event;
	for (size_t i = 0; i < event->rests_on_n; i++) {
		struct node *base = map_get(by_id, event->rests_on[i]);
		if (base != NULL && base != node) {
			VEC_PUSH(arena, &node->bases, base);
			VEC_PUSH(arena, &base->dependents, node);
		}
	}
	for (size_t i = 0; i < event->follow_n; i++) {
		struct node *before = map_get(by_id, event->follows[i].s);
		if (before != NULL && before != node) {
			VEC_PUSH(arena, &before->dependents, node);
		}
	}
}

static struct node *make_graph(struct arena *arena, struct aside_event *events, size_t count,
	bool *goes)
{
	struct map by_id CLEANUP(map_fini) = {0};
	struct node *nodes = ARENA_NEW_ARRAY(arena, struct node, count + 1);
	for (size_t i = 0; i < count; i++) {
		goes[i] = false;
		nodes[i] = (struct node){.event = &events[i], .goes = &goes[i]};
		(void)map_set(&by_id, events[i].id, &nodes[i]);
	}
	for (size_t i = 0; i < count; i++) {
		link_nodes(arena, &by_id, &nodes[i]);
	}
	return nodes;
}

/* All on which it rests. */
static void hold(struct arena *arena, struct node *first)
{
	struct node_vec stack = {0};
	VEC_PUSH(arena, &stack, first);
	while (stack.n > 0) {
		struct node *node = stack.p[--stack.n];
		for (size_t i = 0; i < node->bases.n; i++) {
			struct node *base = node->bases.p[i];
			if (!base->event->is_held) {
				base->event->is_held = true;
				VEC_PUSH(arena, &stack, base);
			}
		}
	}
}

/* What is kept and not held. */
struct load {
	int64_t events;
	int64_t bytes;
};

/* @return how many go with it, itself included */
static size_t give_up(struct arena *arena, struct node *first, struct load *load)
{
	struct node_vec stack = {0};
	size_t gone = 0;
	*first->goes = true;
	VEC_PUSH(arena, &stack, first);
	while (stack.n > 0) {
		struct node *node = stack.p[--stack.n];
		gone++;
		load->events--;
		load->bytes -= node->event->bytes;
		for (size_t i = 0; i < node->dependents.n; i++) {
			struct node *dependent = node->dependents.p[i];
			if (!dependent->event->is_held && !*dependent->goes) {
				*dependent->goes = true;
				VEC_PUSH(arena, &stack, dependent);
			}
		}
	}
	return gone;
}

size_t room_aside_plan(struct arena *arena, struct aside_event *events, size_t count,
	const struct aside_ceiling *ceiling, bool *out_goes)
{
	struct node *nodes = make_graph(arena, events, count, out_goes);
	struct load load = {0};
	size_t gone = 0;
	for (size_t i = 0; i < count; i++) {
		if (events[i].is_held) {
			hold(arena, &nodes[i]);
		}
	}
	for (size_t i = 0; i < count; i++) {
		load.events += !events[i].is_held;
		load.bytes += events[i].is_held ? 0 : events[i].bytes;
	}
	for (size_t i = 0; i < count; i++) {
		bool is_too_much = load.events > ceiling->events || load.bytes > ceiling->bytes;
		if (is_too_much && !events[i].is_held && !out_goes[i]) {
			gone += give_up(arena, &nodes[i], &load);
		}
	}
	return gone;
}
