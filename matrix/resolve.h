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
 * @param out   initialised by the function in `arena`; its events are those of the sets and the source
 * Cost: linear in the sets and the auth chains of what is conflicted (times the number of sets). When these
 * chains differ in more than the conflicted events, also in the auth chain of the unconflicted ones. Each
 * event is asked from the source at most once.
 */
void resolve_state(struct arena *arena, const struct room_version *version,
	const struct state_map *sets, size_t set_count, const struct event_source *source,
	struct state_map *out);

#endif
