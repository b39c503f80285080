/*
 * State resolution v1. Conflicts are resolved type by type: power levels, join rules, memberships, then
 * the rest. Within one pass every key sees the state before the pass, so that the order of keys does not
 * matter. Two points that the text leaves open are done as all servers do them: an event of the last
 * pass that nothing allows gives way to the one of least depth instead of to nothing, and power levels
 * count with the empty state key only.
 */
#include "matrix/resolve_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "matrix/auth.h"

/* A conflicted event and what it is sorted by. */
struct candidate {
	const struct event *event;
	unsigned char sha1[SHA1_BYTES]; /* of the event id */
};

/* The candidates for one key, by ascending depth, then descending SHA-1. */
struct conflict {
	const struct candidate *p;
	size_t n;
};

/* The state before the pass, with one event put over it. */
struct pass_view {
	const struct state_map *state;
	const struct event *over; /* NULL: none */
};

static const struct event *pass_view_get(void *self, struct str type, struct str state_key)
{
	const struct pass_view *view = self;
	if (view->over != NULL && event_is(view->over, type, state_key)) {
		return view->over;
	}
	return state_map_get(view->state, type, state_key);
}

static bool is_allowed(const struct event *event, const struct state_map *state,
	const struct event *over)
{
	struct pass_view pass = {.state = state, .over = over};
	const struct state_view view = {.get = pass_view_get, .self = &pass};
	return auth_check(event, &view).allowed;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;
	const int by_type = str_compare(left->event->type, right->event->type);
	if (by_type != 0) {
		return by_type;
	}
	const int by_key = str_compare(left->event->state_key, right->event->state_key);
	if (by_key != 0) {
		return by_key;
	}
	if (left->event->depth != right->event->depth) {
		return left->event->depth < right->event->depth ? -1 : 1;
	}
	return memcmp(right->sha1, left->sha1, SHA1_BYTES);
}

static struct candidate *sorted_candidates(struct resolve_job *job)
{
	const size_t n = job->conflicted.n;
	struct candidate *candidates = ARENA_NEW_ARRAY(job->arena, struct candidate, n);
	for (size_t i = 0; i < n; i++) {
		candidates[i].event = job->conflicted.p[i]->event;
		crypto_sha1(candidates[i].event->event_id.s, candidates[i].sha1);
	}
	qsort(candidates, n, sizeof(*candidates), compare_candidates);
	return candidates;
}

/* The first event, then each next one as long as the one before it allows it. */
static const struct event *resolve_auth(struct conflict conflict, const struct state_map *state)
{
	const struct event *chosen = conflict.p[0].event;
	for (size_t i = 1; i < conflict.n; i++) {
		const struct event *next = conflict.p[i].event;
		if (!is_allowed(next, state, chosen)) {
			break;
		}
		chosen = next;
	}
	return chosen;
}

/* The deepest event that is allowed. */
static const struct event *resolve_other(struct conflict conflict, const struct state_map *state)
{
	for (size_t i = conflict.n; i > 0; i--) {
		const struct event *event = conflict.p[i - 1].event;
		if (is_allowed(event, state, NULL)) {
			return event;
		}
	}
	return conflict.p[0].event;
}

/* In which pass a key is resolved; the last is for everything that has no say in authorisation. */
enum { PASS_POWER_LEVELS, PASS_JOIN_RULES, PASS_MEMBERS, PASS_OTHER };

static int pass_of(const struct event *event)
{
	if (event_is(event, STR("m.room.power_levels"), STR(""))) {
		return PASS_POWER_LEVELS;
	}
	if (str_equals(event->type, STR("m.room.join_rules"))) {
		return PASS_JOIN_RULES;
	}
	return str_equals(event->type, STR("m.room.member")) ? PASS_MEMBERS : PASS_OTHER;
}

/* How many candidates at the front have the key of the first one. */
static size_t same_key_count(const struct candidate *candidates, size_t n)
{
	size_t i = 1;
	while (i < n &&
		event_is(candidates[i].event, candidates[0].event->type, candidates[0].event->state_key)) {
		i++;
	}
	return i;
}

/* One pass over all conflicts; what it chooses goes into `state` at its end. */
static void run_pass(struct resolve_job *job, int pass, const struct candidate *candidates,
	struct state_map *state)
{
	const size_t n = job->conflicted.n;
	const struct event **chosen = ARENA_NEW_ARRAY(job->arena, const struct event *, n);
	size_t chosen_n = 0;
	for (size_t i = 0; i < n;) {
		const struct conflict conflict = {
			.p = &candidates[i],
			.n = same_key_count(&candidates[i], n - i),
		};
		i += conflict.n;
		if (pass_of(conflict.p[0].event) != pass) {
			continue;
		}
		if (pass == PASS_OTHER) {
			chosen[chosen_n++] = resolve_other(conflict, state);
		} else {
			chosen[chosen_n++] = resolve_auth(conflict, state);
		}
	}
	for (size_t i = 0; i < chosen_n; i++) {
		(void)state_map_put(state, chosen[i]);
	}
}

void resolve_v1(struct resolve_job *job, struct state_map *out)
{
	const struct candidate *candidates = sorted_candidates(job);
	for (int pass = PASS_POWER_LEVELS; pass <= PASS_OTHER; pass++) {
		run_pass(job, pass, candidates, out);
	}
}
