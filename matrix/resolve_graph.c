/*
 * Nodes of the auth graph. An event is fetched once, then found by its id in a table that grows with
 * what is met; events of other rooms and events without state key are as good as unknown, so that auth
 * events that should never have been accepted cannot do harm here.
 */
#include "matrix/resolve_graph.h"

#include "base/map.h"

enum { FIRST_CAPACITY = 64 };

bool resolve_is_same(const struct event *a, const struct event *b)
{
	return a == b || str_equals(a->event_id.s, b->event_id.s);
}

void resolve_push(struct resolve_job *job, struct resolve_nodes *nodes, struct resolve_node *node)
{
	VEC_PUSH(job->arena, nodes, node);
}

struct resolve_node *resolve_pop(struct resolve_nodes *nodes)
{
	invariant(nodes->n > 0);
	return nodes->p[--nodes->n];
}

/* Where the id is, or where it would go. */
static struct resolve_node **slot_of(struct resolve_node **table, size_t capacity, struct str id)
{
	size_t i = (size_t)hash_bytes(id) & (capacity - 1);
	while (table[i] != NULL && !str_equals(table[i]->id, id)) {
		i = (i + 1) & (capacity - 1);
	}
	return &table[i];
}

static void grow_table(struct resolve_job *job)
{
	const size_t capacity = job->table_capacity == 0 ? FIRST_CAPACITY : job->table_capacity * 2;
	struct resolve_node **table = ARENA_NEW_ARRAY(job->arena, struct resolve_node *, capacity);
	for (size_t i = 0; i < job->table_capacity; i++) {
		if (job->table[i] != NULL) {
			*slot_of(table, capacity, job->table[i]->id) = job->table[i];
		}
	}
	job->table = table;
	job->table_capacity = capacity;
}

static bool is_unconflicted(const struct resolve_job *job, const struct event *event)
{
	const struct event *kept = state_map_get(&job->unconflicted, event->type, event->state_key);
	return kept != NULL && resolve_is_same(kept, event);
}

/* `event` is what the caller has at hand; NULL: ask the source. */
static struct resolve_node *find_or_make(struct resolve_job *job, struct event_id id,
	const struct event *event)
{
	if (job->table_n * 2 >= job->table_capacity) {
		grow_table(job);
	}
	struct resolve_node **slot = slot_of(job->table, job->table_capacity, id.s);
	if (*slot != NULL) {
		return *slot;
	}
	struct resolve_node *node = ARENA_NEW(job->arena, struct resolve_node);
	if (event == NULL) {
		event = job->source->get(job->source->self, id);
	}
	node->id = id.s;
	if (event != NULL && event->is_state && str_equals(event->room_id.s, job->room_id)) {
		node->event = event;
		node->is_unconflicted = is_unconflicted(job, event);
	}
	*slot = node;
	job->table_n++;
	return node;
}

struct resolve_node *resolve_node_of(struct resolve_job *job, const struct event *event)
{
	return find_or_make(job, event->event_id, event);
}

struct resolve_node *resolve_node_find(struct resolve_job *job, struct event_id id)
{
	return find_or_make(job, id, NULL);
}

void resolve_expand(struct resolve_job *job, struct resolve_node *node)
{
	if (node->is_expanded || node->event == NULL) {
		return;
	}
	node->is_expanded = true;
	for (size_t i = 0; i < node->event->auth_count; i++) {
		struct resolve_node *auth = resolve_node_find(job, node->event->auth_events[i]);
		if (auth->event != NULL) {
			resolve_push(job, &node->auth, auth);
		}
	}
}

struct resolve_node *resolve_auth_event(struct resolve_job *job, struct resolve_node *node,
	struct str type, struct str state_key)
{
	resolve_expand(job, node);
	for (size_t i = 0; i < node->auth.n; i++) {
		if (event_is(node->auth.p[i]->event, type, state_key)) {
			return node->auth.p[i];
		}
	}
	return NULL;
}
