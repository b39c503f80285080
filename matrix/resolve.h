/**
 * State resolution v1, v2 and v2.1, chosen by the room version.
 * Spec: rooms/v1, v2, v12, "State resolution"
 */
#ifndef BELFRY_MATRIX_RESOLVE_H
#define BELFRY_MATRIX_RESOLVE_H

#include "matrix/state_map.h"

/** Where resolution finds events: every event of the state sets and their auth chains. */
struct event_source {
	/** NULL when unknown (then it is treated as absent). Lives as long as the source. */
	const struct event *(*get)(void *self, struct event_id id);
	/** Whether it was rejected. */
	bool (*is_rejected)(void *self, struct event_id id);
	void *self;
};

/**
 * Resolves state sets to one. Deterministic; independent of the order of the sets.
 *
 * @param sets  one per fork; all events of one room
 * @param out   initialised by the function in `arena`
 * Cost: linear in the sets' differences and the auth chains of what is conflicted
 */
void resolve_state(struct arena *arena, const struct room_version *version,
	const struct state_map *sets, size_t set_count, const struct event_source *source,
	struct state_map *out);

#endif
