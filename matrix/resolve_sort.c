/*
 * The two orderings of state resolution v2. The power ordering is Kahn's algorithm with a heap; the
 * mainline ordering remembers the position of every power-levels event it passes, so that long chains of
 * them cost their length once and not once for each event.
 */
#include "matrix/resolve_graph.h"

#include <stdlib.h>

#include "matrix/power.h"

/* ---- reverse topological power ordering ---- */

static int compare_time_and_id(const struct resolve_node *a, const struct resolve_node *b)
{
	if (a->event->origin_server_ts != b->event->origin_server_ts) {
		return a->event->origin_server_ts < b->event->origin_server_ts ? -1 : 1;
	}
	return str_compare(a->event->event_id.s, b->event->event_id.s);
}

/* More power first, then the earlier, then the smaller id. */
static bool comes_first(const struct resolve_node *a, const struct resolve_node *b)
{
	if (a->sender_power != b->sender_power) {
		return a->sender_power > b->sender_power;
	}
	return compare_time_and_id(a, b) < 0;
}

static void swap_nodes(struct resolve_node **a, struct resolve_node **b)
{
	struct resolve_node *kept = *a;
	*a = *b;
	*b = kept;
}

static void heap_push(struct resolve_job *job, struct resolve_nodes *heap,
	struct resolve_node *node)
{
	resolve_push(job, heap, node);
	size_t i = heap->n - 1;
	while (i > 0 && comes_first(heap->p[i], heap->p[(i - 1) / 2])) {
		swap_nodes(&heap->p[i], &heap->p[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

static struct resolve_node *heap_pop(struct resolve_nodes *heap)
{
	swap_nodes(&heap->p[0], &heap->p[heap->n - 1]);
	struct resolve_node *first = resolve_pop(heap);
	size_t i = 0;
	for (;;) {
		size_t next = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap->n; child++) {
			if (comes_first(heap->p[child], heap->p[next])) {
				next = child;
			}
		}
		if (next == i) {
			return first;
		}
		swap_nodes(&heap->p[i], &heap->p[next]);
		i = next;
	}
}

/* The sender's level as the event's auth events give it. */
static int64_t sender_power(struct resolve_job *job, struct resolve_node *node,
	const struct event *create)
{
	const struct resolve_node *levels =
		resolve_auth_event(job, node, STR("m.room.power_levels"), STR(""));
	const struct resolve_node *named = resolve_auth_event(job, node, STR("m.room.create"), STR(""));
	if (create == NULL && named != NULL) {
		create = named->event;
	}
	const struct power power =
		power_of_events(job->version, create, levels != NULL ? levels->event : NULL);
	return power_level_of(&power, node->event->sender.s);
}

static void wait_for_auth_events(struct resolve_job *job, struct resolve_node *node)
{
	for (size_t i = 0; i < node->auth.n; i++) {
		struct resolve_node *auth = node->auth.p[i];
		if (auth->is_picked) {
			node->waiting++;
			resolve_push(job, &auth->dependents, node);
		}
	}
}

struct resolve_nodes resolve_sort_power(struct resolve_job *job, const struct resolve_nodes *nodes,
	const struct event *create)
{
	for (size_t i = 0; i < nodes->n; i++) {
		nodes->p[i]->sender_power = sender_power(job, nodes->p[i], create);
		wait_for_auth_events(job, nodes->p[i]);
	}
	struct resolve_nodes heap = {0};
	struct resolve_nodes sorted = {0};
	for (size_t i = 0; i < nodes->n; i++) {
		if (nodes->p[i]->waiting == 0) {
			heap_push(job, &heap, nodes->p[i]);
		}
	}
	while (heap.n > 0) {
		struct resolve_node *node = heap_pop(&heap);
		resolve_push(job, &sorted, node);
		for (size_t i = 0; i < node->dependents.n; i++) {
			if (--node->dependents.p[i]->waiting == 0) {
				heap_push(job, &heap, node->dependents.p[i]);
			}
		}
	}
	return sorted;
}

/* ---- mainline ordering ---- */

static struct resolve_node *power_levels_before(struct resolve_job *job, struct resolve_node *node)
{
	return resolve_auth_event(job, node, STR("m.room.power_levels"), STR(""));
}

static void mark_mainline(struct resolve_job *job, const struct event *power_levels)
{
	struct resolve_node *node = power_levels != NULL ? resolve_node_of(job, power_levels) : NULL;
	for (size_t i = 0; node != NULL && !node->has_mainline; i++) {
		node->has_mainline = true;
		node->mainline = i;
		node = power_levels_before(job, node);
	}
}

/* Position of the first mainline event on the way back through power-levels events. */
static size_t find_mainline(struct resolve_job *job, struct resolve_node *node,
	struct resolve_nodes *path)
{
	path->n = 0;
	struct resolve_node *at = power_levels_before(job, node);
	while (at != NULL && !at->has_mainline) {
		at->has_mainline = true; /* should the way lead back here, it has no end */
		at->mainline = SIZE_MAX;
		resolve_push(job, path, at);
		at = power_levels_before(job, at);
	}
	const size_t found = at != NULL ? at->mainline : SIZE_MAX;
	for (size_t i = 0; i < path->n; i++) {
		path->p[i]->mainline = found;
	}
	return found;
}

/* An event to sort with its position, which may differ from the one that others pass through it. */
struct placed {
	struct resolve_node *node;
	size_t position;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *left = a;
	const struct placed *right = b;
	if (left->position != right->position) {
		return left->position > right->position ? -1 : 1;
	}
	return compare_time_and_id(left->node, right->node);
}

void resolve_sort_mainline(struct resolve_job *job, struct resolve_nodes *nodes,
	const struct event *power_levels)
{
	mark_mainline(job, power_levels);
	struct resolve_nodes path = {0};
	struct placed *placed = ARENA_NEW_ARRAY(job->arena, struct placed, nodes->n + 1);
	for (size_t i = 0; i < nodes->n; i++) {
		placed[i].node = nodes->p[i];
		placed[i].position = find_mainline(job, nodes->p[i], &path);
	}
	qsort(placed, nodes->n, sizeof(*placed), compare_placed);
	for (size_t i = 0; i < nodes->n; i++) {
		nodes->p[i] = placed[i].node;
	}
}
