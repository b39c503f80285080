/*
 * State resolution v2 and v2.1. The specification's steps are functions of the same names; all walks use
 * a stack of their own and visit each event once (once for each set where the sets' chains are compared).
 *
 * Three points of the text are done as the servers in use do them, because a room must resolve to the
 * same state everywhere: a set's auth chain includes the set's own events; the auth chain of a power
 * event is followed only as far as it stays within the full conflicted set; m.room.create is a power
 * event, and power levels, join rules and create count as such with the empty state key only.
 */
#include "matrix/resolve_graph.h"

#include "matrix/auth.h"
#include "matrix/membership.h"

/* ---- full conflicted set ---- */

static void mark_full(struct resolve_job *job, struct resolve_nodes *full,
	struct resolve_node *node)
{
	if (!node->is_full) {
		node->is_full = true;
		resolve_push(job, full, node);
	}
}

/*
 * Counts one more set for everything that the set's conflicted events reach. Walks stop at unconflicted
 * state: what lies below it lies below every set.
 */
static void walk_set(struct resolve_job *job, size_t walk, struct resolve_nodes *stack,
	struct resolve_nodes *met)
{
	while (stack->n > 0) {
		struct resolve_node *node = resolve_pop(stack);
		if (node->last_walk == walk || node->is_unconflicted) {
			continue;
		}
		node->last_walk = walk;
		if (node->reach_count++ == 0) {
			resolve_push(job, met, node);
		}
		resolve_expand(job, node);
		for (size_t i = 0; i < node->auth.n; i++) {
			resolve_push(job, stack, node->auth.p[i]);
		}
	}
}

static void push_conflicted_of_set(struct resolve_job *job, const struct state_map *set,
	struct resolve_nodes *stack)
{
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(set, &at)) != NULL) {
		if (state_map_get(&job->unconflicted, event->type, event->state_key) == NULL) {
			struct resolve_node *node = resolve_node_of(job, event);
			if (node->event != NULL) {
				resolve_push(job, stack, node);
			}
		}
	}
}

/* Marks the auth chain of the unconflicted state, until all of the `wanted` events have been met. */
static void walk_unconflicted(struct resolve_job *job, size_t wanted, size_t walk)
{
	struct resolve_nodes stack = {0};
	size_t at = 0;
	const struct event *event;
	while (wanted > 0 && (event = state_map_next(&job->unconflicted, &at)) != NULL) {
		resolve_push(job, &stack, resolve_node_of(job, event));
		while (stack.n > 0 && wanted > 0) {
			struct resolve_node *node = resolve_pop(&stack);
			if (node->is_below_unconflicted) {
				continue;
			}
			node->is_below_unconflicted = true;
			if (node->last_walk == walk) {
				wanted--;
			}
			resolve_expand(job, node);
			for (size_t i = 0; i < node->auth.n; i++) {
				resolve_push(job, &stack, node->auth.p[i]);
			}
		}
	}
}

/* Auth difference: what some sets' auth chains have and others have not. */
static void add_auth_difference(struct resolve_job *job, struct resolve_nodes *full)
{
	struct resolve_nodes stack = {0};
	struct resolve_nodes met = {0};
	for (size_t i = 0; i < job->set_count; i++) {
		push_conflicted_of_set(job, &job->sets[i], &stack);
		walk_set(job, i + 1, &stack, &met);
	}
	const size_t suspect_mark = job->set_count + 1;
	size_t suspects = 0;
	for (size_t i = 0; i < met.n; i++) {
		if (met.p[i]->reach_count < job->set_count && !met.p[i]->is_conflicted) {
			met.p[i]->last_walk = suspect_mark;
			suspects++;
		}
	}
	walk_unconflicted(job, suspects, suspect_mark);
	for (size_t i = 0; i < met.n; i++) {
		if (met.p[i]->last_walk == suspect_mark && !met.p[i]->is_below_unconflicted) {
			mark_full(job, full, met.p[i]);
		}
	}
}

/* A node on the way, and the next of its auth events to look at. */
struct frame {
	struct resolve_node *node;
	size_t next;
};

/*
 * Conflicted state subgraph (v2.1): what lies on a way from one conflicted event to another. Depth first;
 * when a node is left, it is known whether a conflicted event lies below it.
 */
static void add_conflicted_subgraph(struct resolve_job *job, struct resolve_nodes *full)
{
	VEC(struct frame) stack = {0};
	for (size_t i = 0; i < job->conflicted.n; i++) {
		VEC_PUSH(job->arena, &stack, ((struct frame){.node = job->conflicted.p[i]}));
		while (stack.n > 0) {
			struct frame *frame = &stack.p[stack.n - 1];
			struct resolve_node *node = frame->node;
			if (frame->next == 0 && node->is_entered) {
				stack.n--;
				continue;
			}
			node->is_entered = true;
			resolve_expand(job, node);
			if (frame->next < node->auth.n) {
				struct resolve_node *auth = node->auth.p[frame->next++];
				VEC_PUSH(job->arena, &stack, ((struct frame){.node = auth}));
				continue;
			}
			stack.n--;
			node->reaches_conflicted = node->is_conflicted;
			for (size_t j = 0; j < node->auth.n && !node->reaches_conflicted; j++) {
				node->reaches_conflicted = node->auth.p[j]->reaches_conflicted;
			}
			if (node->reaches_conflicted) {
				mark_full(job, full, node);
			}
		}
	}
}

static struct resolve_nodes full_conflicted_set(struct resolve_job *job)
{
	struct resolve_nodes full = {0};
	for (size_t i = 0; i < job->conflicted.n; i++) {
		mark_full(job, &full, job->conflicted.p[i]);
	}
	add_auth_difference(job, &full);
	if (job->version->state_resolution == STATE_RES_V2_1) {
		add_conflicted_subgraph(job, &full);
	}
	return full;
}

/* ---- the algorithm ---- */

static bool is_power_event(const struct event *event)
{
	if (event_is(event, STR("m.room.power_levels"), STR("")) ||
		event_is(event, STR("m.room.join_rules"), STR("")) ||
		event_is(event, STR("m.room.create"), STR(""))) {
		return true;
	}
	if (!str_equals(event->type, STR("m.room.member"))) {
		return false;
	}
	const enum membership membership = membership_of(event);
	return (membership == MEMBERSHIP_LEAVE || membership == MEMBERSHIP_BAN) &&
		!str_equals(event->sender.s, event->state_key);
}

/* Step 1, the set X: power events and those of their auth chains that are in conflict too. */
static struct resolve_nodes pick_power_events(struct resolve_job *job,
	const struct resolve_nodes *full)
{
	struct resolve_nodes picked = {0};
	struct resolve_nodes stack = {0};
	for (size_t i = 0; i < full->n; i++) {
		if (is_power_event(full->p[i]->event)) {
			resolve_push(job, &stack, full->p[i]);
		}
		while (stack.n > 0) {
			struct resolve_node *node = resolve_pop(&stack);
			if (node->is_picked) {
				continue;
			}
			node->is_picked = true;
			resolve_push(job, &picked, node);
			resolve_expand(job, node);
			for (size_t j = 0; j < node->auth.n; j++) {
				if (node->auth.p[j]->is_full) {
					resolve_push(job, &stack, node->auth.p[j]);
				}
			}
		}
	}
	return picked;
}

/* What one event is authorised against: the state so far, else its own auth events. */
struct check_view {
	struct resolve_job *job;
	const struct state_map *state;
	struct resolve_node *node;
	const struct event *create; /* where auth events do not name it; else NULL */
};

static const struct event *check_view_get(void *self, struct str type, struct str state_key)
{
	const struct check_view *view = self;
	if (view->create != NULL && event_is(view->create, type, state_key)) {
		return view->create;
	}
	const struct event *event = state_map_get(view->state, type, state_key);
	if (event != NULL) {
		return event;
	}
	const struct resolve_node *auth = resolve_auth_event(view->job, view->node, type, state_key);
	const struct event_source *source = view->job->source;
	if (auth == NULL || source->is_rejected(source->self, auth->event->event_id)) {
		return NULL;
	}
	return auth->event;
}

static void iterative_auth_checks(struct resolve_job *job, const struct resolve_nodes *nodes,
	const struct event *create, struct state_map *state)
{
	for (size_t i = 0; i < nodes->n; i++) {
		struct check_view check = {
			.job = job,
			.state = state,
			.node = nodes->p[i],
			.create = create,
		};
		const struct state_view view = {.get = check_view_get, .self = &check};
		if (auth_check(nodes->p[i]->event, &view).allowed) {
			(void)state_map_put(state, nodes->p[i]->event);
		}
	}
}

/* The create event of a room whose id is made from it, as auth events do not name it; else NULL. */
static const struct event *implied_create(struct resolve_job *job)
{
	if (!job->version->room_id_is_create_hash || job->room_id.n == 0) {
		return NULL;
	}
	const struct event *kept = state_map_get(&job->unconflicted, STR("m.room.create"), STR(""));
	if (kept != NULL) {
		return kept;
	}
	char *id = arena_dup(job->arena, job->room_id.p, job->room_id.n);
	id[0] = '$';
	return resolve_node_find(job, (struct event_id){str_from(id, job->room_id.n)})->event;
}

void resolve_v2(struct resolve_job *job, struct state_map *out)
{
	const struct event *create = implied_create(job);
	const struct resolve_nodes full = full_conflicted_set(job);
	const struct resolve_nodes picked = pick_power_events(job, &full);
	const struct resolve_nodes sorted = resolve_sort_power(job, &picked, create); /* step 1 */
	iterative_auth_checks(job, &sorted, create, out);                             /* step 2 */

	struct resolve_nodes rest = {0};
	for (size_t i = 0; i < full.n; i++) {
		if (!full.p[i]->is_picked) {
			resolve_push(job, &rest, full.p[i]);
		}
	}
	resolve_sort_mainline(job, &rest,
		state_map_get(out, STR("m.room.power_levels"), STR(""))); /* step 3 */
	iterative_auth_checks(job, &rest, create, out);               /* step 4 */
}
