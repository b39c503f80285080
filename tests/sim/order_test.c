/*
 * The order of history on a real PostgreSQL: a random graph with forks, bans and events that the rules refuse comes to two servers, each
 * time in another order, ancestors after what stands on them: by transactions, over gaps with the state before them, and fetched into gaps.
 * At the end history shows every event above all that it stands on, also by way of events that are not shown, and nothing is missing.
 */
#include "tests/sim/dag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { AHEAD = 12, FETCHED_MAX = 8 };

struct scene {
	struct arena *arena; /* of one step */
	struct ctx ctx;
	struct server *server;
	struct world *world;
	const struct dag *dag;
	struct room *room;
	uint64_t *seed;
};

/* --- what others say ---------------------------------------------------------------------------------------------- */

static const struct event *find_event(const struct scene *scene, struct event_id id)
{
	for (size_t i = 0; i < scene->dag->n; i++) {
		const struct event *event = scene->dag->list[i].node->event;
		if (str_equals(event->event_id.s, id.s)) {
			return event;
		}
	}
	for (size_t i = 0; i < scene->world->graph.nodes.n; i++) {
		const struct event *event = scene->world->graph.nodes.p[i]->event;
		if (str_equals(event->event_id.s, id.s)) {
			return event;
		}
	}
	return NULL;
}

struct chain {
	VEC(const struct event *) events;
	struct map seen;
};

static void want(struct scene *scene, struct chain *chain, const struct event *event)
{
	if (event != NULL && map_set(&chain->seen, event->event_id.s, chain) == NULL) {
		VEC_PUSH(scene->arena, &chain->events, event);
	}
}

/* What these rest on is known from now on. */
static void tell_auth(struct scene *scene, struct chain *chain, size_t from)
{
	for (size_t i = from; i < chain->events.n; i++) {
		const struct event *event = chain->events.p[i];
		for (size_t k = 0; k < event->auth_count; k++) {
			want(scene, chain, find_event(scene, event->auth_events[k]));
		}
	}
}

static void keep_outliers(struct scene *scene, const struct event *const *events, size_t count)
{
	struct room_outcome outcome;
	assert_int_equal(
		room_accept_outliers(&scene->ctx, &scene->server->hs, scene->room, events, count, &outcome),
		ERR_OK);
}

/* Over a gap if need be: with the state before it. */
static void deliver(struct scene *scene, size_t index)
{
	const struct made *made = &scene->dag->list[index];
	const struct event *event = made->node->event;
	struct room_outcome outcome;
	enum err err = try_accept(&scene->ctx, scene->server, scene->room, event, &outcome);
	if (err == ERR_OK) {
		return;
	}
	assert_int_equal(err, ERR_MISSING);
	struct room_node *prev[3];
	for (size_t i = 0; i < made->prev_count; i++) {
		prev[i] = scene->dag->list[made->prev[i]].node;
	}
	struct state_map state = room_graph_resolve(&scene->world->graph, prev, made->prev_count);
	struct chain chain = {0};
	struct event_id *ids = ARENA_NEW_ARRAY(scene->arena, struct event_id, state.n);
	size_t n = 0;
	size_t at = 0;
	const struct event *one;
	while ((one = state_map_next(&state, &at)) != NULL) {
		ids[n++] = one->event_id;
		want(scene, &chain, one);
	}
	for (size_t i = 0; i < event->auth_count; i++) {
		want(scene, &chain, find_event(scene, event->auth_events[i]));
	}
	tell_auth(scene, &chain, 0);
	keep_outliers(scene, chain.events.p, chain.events.n);
	map_fini(&chain.seen);
	const struct room_arrival arrival = {
		.event = event,
		.state_before = ids,
		.state_before_count = n,
	};
	assert_int_equal(room_accept(&scene->ctx, &scene->server->hs, scene->room, &arrival, &outcome),
		ERR_OK);
}

/* A page of what is before a gap, as another server would give it; now and then an event of it is left out. */
static void fetch(struct scene *scene)
{
	struct room_gap gap;
	int64_t up_to = POSITION_NOW;
	size_t skipped = room_random(scene->seed, 3);
	do {
		assert_int_equal(
			room_gap_find(&scene->ctx, &scene->server->hs, scene->room, ROOM_OUTLIERS, up_to, &gap),
			ERR_OK);
		up_to = gap.below - 1;
	} while (gap.below != 0 && skipped-- > 0);
	struct chain page = {0};
	for (size_t i = 0; i < gap.prev_count; i++) {
		want(scene, &page, find_event(scene, gap.prevs[i]));
	}
	size_t limit = 1 + room_random(scene->seed, FETCHED_MAX);
	for (size_t i = 0; i < page.events.n && page.events.n < limit; i++) {
		for (size_t k = 0; k < page.events.p[i]->prev_count; k++) {
			want(scene, &page, find_event(scene, page.events.p[i]->prev_events[k]));
		}
	}
	size_t count = page.events.n;
	tell_auth(scene, &page, 0);
	if (gap.below != 0 && count > 0) {
		size_t added;
		keep_outliers(scene, page.events.p + count, page.events.n - count);
		assert_int_equal(room_accept_history(&scene->ctx, &scene->server->hs, scene->room,
							 gap.below, page.events.p, count, &added),
			ERR_OK);
	}
	map_fini(&page.seen);
}

/* --- in some order ------------------------------------------------------------------------------------------------ */

static void step_begin(struct scene *scene)
{
	scene->arena = arena_create();
	ctx_init(&scene->ctx, scene->arena);
	assert_int_equal(
		rooms_get(&scene->ctx, &scene->server->hs, scene->world->builder.room_id, &scene->room),
		ERR_OK);
}

/* One of those that are not delivered, mostly of the oldest. */
static size_t choose(const struct dag *dag, const bool *done, uint64_t *seed)
{
	size_t rank = room_random(seed, AHEAD);
	size_t found = 0;
	for (size_t i = 1; i < dag->n; i++) {
		if (!done[i]) {
			found = i;
			if (rank-- == 0) {
				break;
			}
		}
	}
	return found;
}

static void come_in_random_order(struct scene *scene)
{
	bool done[DAG_EVENTS + 2] = {true};
	for (size_t left = scene->dag->n - 1; left > 0;) {
		step_begin(scene);
		if (room_random(scene->seed, 6) == 0) {
			fetch(scene);
		} else {
			size_t i = choose(scene->dag, done, scene->seed);
			deliver(scene, i);
			done[i] = true;
			left--;
		}
		arena_destroy(scene->arena);
	}
}

/* --- what is shown ------------------------------------------------------------------------------------------------ */

/* Which event stands on which, by whatever way. */
static void find_ancestors(const struct dag *dag, bool is_behind[][DAG_EVENTS + 2])
{
	for (size_t i = 0; i < dag->n; i++) {
		for (size_t p = 0; p < dag->list[i].prev_count; p++) {
			size_t prev = dag->list[i].prev[p];
			is_behind[i][prev] = true;
			for (size_t k = 0; k < prev; k++) {
				is_behind[i][k] = is_behind[i][k] || is_behind[prev][k];
			}
		}
	}
}

static void find_shown(struct scene *scene, size_t *shown)
{
	struct timeline timeline;
	assert_int_equal(room_timeline_shown(&scene->ctx, &scene->server->hs, scene->room,
						 ROOM_OUTLIERS, POSITION_NOW, false, 1000, &timeline),
		ERR_OK);
	for (size_t i = 0; i < scene->dag->n; i++) {
		struct event_id id = scene->dag->list[i].node->event->event_id;
		struct known_event known;
		shown[i] = 0;
		for (size_t k = 0; k < timeline.n; k++) {
			if (str_equals(timeline.events[k]->event->event_id.s, id.s)) {
				assert_int_equal(shown[i], 0);
				shown[i] = k + 1;
			}
		}
		assert_int_equal(
			room_known_events(&scene->ctx, &scene->server->hs, scene->room, &id, 1, &known),
			ERR_OK);
		assert_int_equal(shown[i] != 0, known.fate == EVENT_IN_TIMELINE);
		assert_int_not_equal(known.fate, EVENT_UNKNOWN);
	}
}

static void check_order(struct scene *scene)
{
	static bool is_behind[DAG_EVENTS + 2][DAG_EVENTS + 2];
	size_t shown[DAG_EVENTS + 2];
	memset(is_behind, 0, sizeof(is_behind));
	find_ancestors(scene->dag, is_behind);
	find_shown(scene, shown);
	for (size_t i = 0; i < scene->dag->n; i++) {
		for (size_t k = 0; k < i && shown[i] != 0; k++) {
			if (is_behind[i][k] && shown[k] > shown[i]) {
				print_error("event %zu, shown at %zu, stands on %zu, shown at %zu\n", i, shown[i],
					k, shown[k]);
			}
			assert_true(!is_behind[i][k] || shown[k] < shown[i]);
		}
	}
}

/* What has come, whatever became of it, is missing nowhere. */
static void check_gaps(struct scene *scene)
{
	assert_int_equal(
		ask_number(scene->server, scene->world->builder.room_id,
			"SELECT count(*) FROM room_gaps g JOIN rooms USING (room_nid) "
			"JOIN events e ON e.event_id = g.prev_id WHERE room_id = $1 AND e.fate <> 1"),
		0);
}

static void check_seed(const char *version, uint64_t seed)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct world world;
	struct dag dag;
	world_init(&world, arena, version);
	dag_make(&dag, &world, &seed);
	for (int i = 0; i < SERVERS; i++) {
		struct scene scene = {
			.server = &servers[i],
			.world = &world,
			.dag = &dag,
			.seed = &seed,
		};
		struct arena *own CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, own);
		(void)import(&ctx, scene.server, &world);
		come_in_random_order(&scene);
		rooms_forget(scene.server->hs.rooms);
		step_begin(&scene);
		check_order(&scene);
		check_gaps(&scene);
		arena_destroy(scene.arena);
	}
	world_fini(&world);
}

static void history__random_forks_in_any_order__every_event_above_what_it_stands_on(void **state)
{
	(void)state;
	const char *text = getenv("BELFRY_TEST_SEED");
	static const uint64_t chosen[] = {402, 411, 511}; /* each found something of its own */
	static const char *const versions[] = {"1", "3", "6", "10", "11", "12"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		for (size_t k = 0; k < COUNT_OF(chosen); k++) {
			uint64_t seed = text != NULL ? strtoull(text, NULL, 10) + k : chosen[k];
			print_message("version %s seed %llu\n", versions[i], (unsigned long long)seed);
			check_seed(versions[i], seed * 7919);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(history__random_forks_in_any_order__every_event_above_what_it_stands_on),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
