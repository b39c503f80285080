/*
 * Entry to state resolution: separates what the state sets agree on from what they do not, and hands the
 * rest to the version's algorithm. Everything it makes on the way lies in an arena of its own.
 */
#include "matrix/resolve_graph.h"

/* Whether all sets from `first` on have the event under its key. */
static bool all_agree(const struct resolve_job *job, size_t first, const struct event *event,
	bool absence_conflicts)
{
	for (size_t i = first; i < job->set_count; i++) {
		const struct event *other = state_map_get(&job->sets[i], event->type, event->state_key);
		if (other == NULL ? absence_conflicts : !resolve_is_same(event, other)) {
			return false;
		}
	}
	return true;
}

/*
 * Fills `unconflicted`; `conflicted_keys` gets some event for each key in conflict. In v1 a key that some
 * sets lack is no conflict. Each key is looked up in every set once.
 */
static void split_keys(struct resolve_job *job, bool absence_conflicts,
	struct state_map *conflicted_keys)
{
	for (size_t i = 0; i < job->set_count; i++) {
		size_t at = 0;
		const struct event *event;
		while ((event = state_map_next(&job->sets[i], &at)) != NULL) {
			if (state_map_get(&job->unconflicted, event->type, event->state_key) != NULL ||
				state_map_get(conflicted_keys, event->type, event->state_key) != NULL) {
				continue;
			}
			const bool is_late = i > 0 && absence_conflicts;
			const bool agree = !is_late && all_agree(job, i + 1, event, absence_conflicts);
			(void)state_map_put(agree ? &job->unconflicted : conflicted_keys, event);
		}
	}
}

/* The conflicted state set: every event under a key in conflict, once. */
static void collect_conflicted(struct resolve_job *job, const struct state_map *conflicted_keys)
{
	for (size_t i = 0; i < job->set_count; i++) {
		size_t at = 0;
		const struct event *event;
		while ((event = state_map_next(&job->sets[i], &at)) != NULL) {
			if (state_map_get(conflicted_keys, event->type, event->state_key) == NULL) {
				continue;
			}
			struct resolve_node *node = resolve_node_of(job, event);
			if (node->event != NULL && !node->is_conflicted) {
				node->is_conflicted = true;
				resolve_push(job, &job->conflicted, node);
			}
		}
	}
}

/* All events are of one room; any of them tells which. */
static struct str room_of(const struct state_map *sets, size_t set_count)
{
	for (size_t i = 0; i < set_count; i++) {
		size_t at = 0;
		const struct event *event = state_map_next(&sets[i], &at);
		if (event != NULL) {
			return event->room_id.s;
		}
	}
	return (struct str){0};
}

static void copy_state(const struct state_map *from, struct state_map *to)
{
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(from, &at)) != NULL) {
		(void)state_map_put(to, event);
	}
}

void resolve_state(struct arena *arena, const struct room_version *version,
	const struct state_map *sets, size_t set_count, const struct event_source *source,
	struct state_map *out)
{
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct resolve_job job = {
		.arena = own,
		.version = version,
		.sets = sets,
		.set_count = set_count,
		.source = source,
		.room_id = room_of(sets, set_count),
	};
	state_map_init(&job.unconflicted, own);
	struct state_map conflicted_keys;
	state_map_init(&conflicted_keys, own);
	state_map_init(out, arena);

	const bool absence_conflicts = version->state_resolution != STATE_RES_V1;
	split_keys(&job, absence_conflicts, &conflicted_keys);
	collect_conflicted(&job, &conflicted_keys);
	if (job.conflicted.n == 0) {
		copy_state(&job.unconflicted, out);
		return;
	}
	switch (version->state_resolution) {
	case STATE_RES_V1:
		copy_state(&job.unconflicted, out);
		resolve_v1(&job, out);
		return;
	case STATE_RES_V2:
		copy_state(&job.unconflicted, out);
		resolve_v2(&job, out);
		copy_state(&job.unconflicted, out);
		return;
	case STATE_RES_V2_1:
		resolve_v2(&job, out);
		copy_state(&job.unconflicted, out);
		return;
	}
}
