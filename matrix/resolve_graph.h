/**
 * Inside of resolve*.c: the events met during one resolution as nodes of the auth graph, each fetched
 * once. Included by resolve*.c only.
 */
#ifndef BELFRY_MATRIX_RESOLVE_GRAPH_H
#define BELFRY_MATRIX_RESOLVE_GRAPH_H

#include "base/vec.h"
#include "matrix/resolve.h"

struct resolve_node;
/** A list of nodes in the job's arena. */
struct resolve_nodes {
	struct resolve_node **p;
	size_t n;
	size_t capacity;
};

/** One event. The marks belong to the steps named beside them. */
struct resolve_node {
	struct str id;
	const struct event *event; /**< NULL: unknown, no state event, or of another room */
	struct resolve_nodes auth; /**< known auth events; filled by resolve_expand() */
	bool is_expanded;

	bool is_unconflicted; /**< part of the unconflicted state map */
	bool is_conflicted;   /**< part of the conflicted state set */
	bool is_full;         /**< part of the full conflicted set */

	size_t last_walk;           /**< auth difference: number of the newest walk that came by */
	size_t reach_count;         /**< auth difference: how many sets reach it */
	bool is_below_unconflicted; /**< auth difference: in the auth chain of unconflicted state */

	bool is_entered;         /**< conflicted subgraph: the walk has been here */
	bool reaches_conflicted; /**< conflicted subgraph */

	bool is_picked;       /**< power ordering: one of the events to sort */
	int64_t sender_power; /**< power ordering */
	size_t waiting;       /**< power ordering: picked auth events that are not yet sorted */
	struct resolve_nodes dependents; /**< power ordering: picked events that wait for this one */

	bool has_mainline; /**< mainline ordering: `mainline` is known */
	size_t mainline;   /**< mainline ordering: position; SIZE_MAX is infinity */
};

/** One resolution. */
struct resolve_job {
	struct arena *arena; /**< for everything that ends with the job */
	const struct room_version *version;
	const struct state_map *sets;
	size_t set_count;
	const struct event_source *source;
	struct str room_id;              /**< of the first event seen */
	struct state_map unconflicted;   /**< unconflicted state map */
	struct resolve_nodes conflicted; /**< conflicted state set */
	struct resolve_node **table;     /**< nodes by event id, open addressing */
	size_t table_capacity;
	size_t table_n;
};

/** Whether both are the same event. */
bool resolve_is_same(const struct event *a, const struct event *b);

/** The node of an event that is at hand. */
struct resolve_node *resolve_node_of(struct resolve_job *job, const struct event *event);
/** The node of an event id; its `event` may be NULL. */
struct resolve_node *resolve_node_find(struct resolve_job *job, struct event_id id);
/** Makes `auth` known. */
void resolve_expand(struct resolve_job *job, struct resolve_node *node);
/** The auth event for that state, or NULL. */
struct resolve_node *resolve_auth_event(struct resolve_job *job, struct resolve_node *node,
	struct str type, struct str state_key);

/** Adds a node at the end; `nodes` lives in the job's arena. */
void resolve_push(struct resolve_job *job, struct resolve_nodes *nodes, struct resolve_node *node);
/** Takes the last one off; `nodes` must not be empty. */
struct resolve_node *resolve_pop(struct resolve_nodes *nodes);

/** v1 on a job that has been split; `out` holds the unconflicted state and gets the rest. */
void resolve_v1(struct resolve_job *job, struct state_map *out);
/**
 * v2 and, where the version says so, v2.1, up to and without the last step (the caller puts the
 * unconflicted state over the result). `out` holds the state to start from.
 */
void resolve_v2(struct resolve_job *job, struct state_map *out);

/**
 * Reverse topological power ordering of nodes that are all `is_picked`. Nodes on a cycle of auth events
 * (only possible where senders choose event ids) are left out.
 *
 * @param create  the room's create event where auth events do not name it; else NULL
 * @return the sorted nodes, earliest first
 */
struct resolve_nodes resolve_sort_power(struct resolve_job *job, const struct resolve_nodes *nodes,
	const struct event *create);

/**
 * Sorts nodes by the mainline ordering, in place.
 * @param power_levels  the event whose mainline it is; NULL: all positions are infinite
 */
void resolve_sort_mainline(struct resolve_job *job, struct resolve_nodes *nodes,
	const struct event *power_levels);

#endif
