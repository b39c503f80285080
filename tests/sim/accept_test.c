/*
 * Events of other servers on a real PostgreSQL: rooms of every version with random forks are taken in by two servers, each in an order of
 * its own; at the end both have the state that resolving from scratch gives, and know the state after every event.
 */
#include "tests/sim/dag.h"

#include "base/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { MOST_AT_ONCE = 8, LOCAL_EVENTS = 60 };

/* --- taken in ------------------------------------------------------------------------------------------------------ */

/* The events that nothing stands on, as prev of one that merges them. Its verdict is the rules'. */
static struct room_node *merge(struct world *world, const struct dag *dag, bool *out_is_refused)
{
	struct room_node *heads[DAG_EVENTS + 2];
	size_t n = 0;
	for (size_t i = 0; i < dag->n; i++) {
		bool is_head = true;
		for (size_t k = i + 1; k < dag->n; k++) {
			for (size_t p = 0; p < dag->list[k].prev_count; p++) {
				is_head = is_head && dag->list[k].prev[p] != i;
			}
		}
		if (is_head && n < EVENT_MAX_PREV_EVENTS) {
			heads[n++] = dag->list[i].node;
		}
	}
	const struct room_draft draft = {.sender = CREATOR,
		.type = "org.example.merge",
		.content = "{}"};
	struct room_node *node = room_graph_add(&world->graph, heads, n, &draft);
	*out_is_refused = node == NULL;
	return node;
}

static void check_outcome(struct ctx *ctx, struct server *server, struct room *room,
	const struct dag *dag, size_t i, const struct room_outcome *outcome)
{
	const struct made *made = &dag->list[i];
	assert_false(outcome->was_known);
	if (made->is_refused != (outcome->fate == EVENT_REJECTED)) {
		print_error("event %zu: refused %d, fate %d, %s\n", i, made->is_refused, (int)outcome->fate,
			outcome->verdict.allowed ? "" : outcome->verdict.text);
	}
	assert_int_equal(made->is_refused, outcome->fate == EVENT_REJECTED);
	struct state_map after;
	assert_int_equal(
		room_state_around(ctx, &server->hs, room, made->node->event->event_id, true, &after),
		ERR_OK);
	if (!room_states_equal(&after, &made->node->state)) {
		print_error("event %zu (fate %d), behind", i, (int)outcome->fate);
		for (size_t p = 0; p < made->prev_count; p++) {
			print_error(" %zu", made->prev[p]);
		}
		print_error("\n");
	}
	assert_same_state(&after, &made->node->state);
}

/* One whose prev_events are done, at random. */
static size_t next_ready(const struct dag *dag, const bool *done, uint64_t *seed)
{
	for (;;) {
		size_t i = 1 + room_random(seed, dag->n - 1);
		bool is_ready = !done[i];
		for (size_t p = 0; p < dag->list[i].prev_count; p++) {
			is_ready = is_ready && done[dag->list[i].prev[p]];
		}
		if (is_ready) {
			return i;
		}
	}
}

/* Takes all in, in runs of a few, each once what it stands on is there or comes before it. */
static void accept_in_random_order(struct server *server, struct world *world,
	const struct dag *dag, uint64_t *seed)
{
	bool done[DAG_EVENTS + 2] = {true};
	for (size_t left = dag->n - 1; left > 0;) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		size_t run[MOST_AT_ONCE];
		const struct event *events[MOST_AT_ONCE];
		struct room_outcome outcomes[MOST_AT_ONCE];
		size_t length = 1 + room_random(seed, MOST_AT_ONCE);
		size_t n = MIN_OF(length, left);
		for (size_t k = 0; k < n; k++) {
			run[k] = next_ready(dag, done, seed);
			done[run[k]] = true;
			events[k] = dag->list[run[k]].node->event;
		}
		struct room *room;
		size_t accepted;
		assert_int_equal(rooms_get(&ctx, &server->hs, world->builder.room_id, &room), ERR_OK);
		assert_int_equal(room_accept_run(&ctx, &server->hs, room, events, n, outcomes, &accepted),
			ERR_OK);
		assert_int_equal(accepted, n);
		for (size_t k = 0; k < n; k++) {
			check_outcome(&ctx, server, room, dag, run[k], &outcomes[k]);
		}
		left -= n;
	}
}

/* All the states are still told when everything is in, and after a restart. */
static void check_all_states(struct server *server, struct world *world, const struct dag *dag)
{
	for (size_t i = 1; i < dag->n; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct room *room;
		assert_int_equal(rooms_get(&ctx, &server->hs, world->builder.room_id, &room), ERR_OK);
		struct state_map after;
		assert_int_equal(room_state_around(&ctx, &server->hs, room,
							 dag->list[i].node->event->event_id, true, &after),
			ERR_OK);
		assert_same_state(&after, &dag->list[i].node->state);
	}
}

static void check_intervals(struct server *server, struct str room_id)
{
	static const char *const nothing[] = {
		"SELECT count(*) FROM (SELECT *, lead(from_position) OVER "
		"(PARTITION BY type, state_key ORDER BY from_position) AS next "
		"FROM states JOIN rooms USING (room_nid) WHERE room_id = $1) AS s WHERE to_position > next",
		"SELECT count(*) FROM states s JOIN rooms r USING (room_nid) LEFT JOIN events e ON e.room_nid = s.room_nid AND "
		"e.position = s.event_position WHERE room_id = $1 AND e.event_id IS DISTINCT FROM s.event_id",
		"SELECT count(*) FROM members m JOIN rooms USING (room_nid) WHERE room_id = $1 AND membership <> "
		"coalesce((SELECT s.membership FROM states s WHERE s.room_nid = m.room_nid AND type = 'm.room.member' AND "
		"state_key = m.user_id AND to_position = 9223372036854775807), 'leave')",
		"SELECT count(*) FROM rooms WHERE room_id = $1 AND json_array_length(extremities::json) > 20",
	};
	for (size_t i = 0; i < COUNT_OF(nothing); i++) {
		int64_t found = ask_number(server, room_id, nothing[i]);
		if (found != 0) {
			print_error("%lld rows: %s\n", (long long)found, nothing[i]);
		}
		assert_int_equal(found, 0);
	}
}

static void check_converges(const char *version, uint64_t seed)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct world world;
	struct dag dag;
	world_init(&world, arena, version);
	dag_make(&dag, &world, &seed);
	bool is_refused;
	struct room_node *end = merge(&world, &dag, &is_refused);
	for (int i = 0; i < SERVERS; i++) {
		struct server *server = &servers[i];
		struct arena *own CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, own);
		struct room *room = import(&ctx, server, &world);
		accept_in_random_order(server, &world, &dag, &seed);
		rooms_forget(server->hs.rooms);
		assert_int_equal(rooms_get(&ctx, &server->hs, world.builder.room_id, &room), ERR_OK);
		check_all_states(server, &world, &dag);
		if (!is_refused) {
			struct room_outcome outcome = accept_event(&ctx, server, room, end->event);
			assert_true(outcome.fate == EVENT_IN_TIMELINE || outcome.fate == EVENT_SOFT_FAILED);
			struct state_map now = current_state(&ctx, server, room);
			if (outcome.fate == EVENT_IN_TIMELINE) {
				assert_same_state(&now, &end->state);
			}
		}
		check_intervals(server, world.builder.room_id);
	}
	world_fini(&world);
}

static void converge(const char *version)
{
	const char *text = getenv("BELFRY_TEST_SEED");
	uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 201; /* 203 met set-aside events */
	for (uint64_t seed = first; seed < first + 3; seed++) {
		print_message("version %s seed %llu\n", version, (unsigned long long)seed);
		check_converges(version, seed * 7919);
	}
}

static void accept__random_forks__same_state_everywhere(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		char text[8] = {0};
		memcpy(text, versions[i].id.p, MIN_OF(versions[i].id.n, sizeof(text) - 1));
		converge(text);
	}
}

/* --- with our own events at the same time ------------------------------------------------------------------------- */

struct local_sender {
	struct server *server;
	struct str room_id;
	int sent;
};

static void *send_many(void *data)
{
	struct local_sender *sender = data;
	for (int i = 0; i < LOCAL_EVENTS; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct room *room;
		struct json content = json_object(arena, 1);
		const struct room_intent intent = {.sender = {STR(OURS)},
			.type = i % 5 == 0 ? STR("org.example.state") : STR("m.room.message"),
			.is_state = i % 5 == 0,
			.state_key = STR(OURS),
			.content = &content};
		assert_int_equal(rooms_get(&ctx, &sender->server->hs, sender->room_id, &room), ERR_OK);
		sender->sent += room_add(&ctx, &sender->server->hs, room, &intent, 1, NULL) == ERR_OK;
	}
	return NULL;
}

static void accept__while_ours_are_sent__all_kept_and_one_state(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct server *server = &servers[0];
	struct world world;
	world_init(&world, arena, "10");
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room = import(&ctx, server, &world);
	struct local_sender senders[2] = {{.server = server, .room_id = world.builder.room_id},
		{.server = server, .room_id = world.builder.room_id}};
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) {
		threads[i] = thread_start("sender", send_many, &senders[i]);
	}
	uint64_t seed = 42;
	struct room_node *node = world.join;
	int accepted = 0;
	for (int i = 0; i < DAG_EVENTS; i++) {
		struct room_node *prev = room_random(&seed, 4) == 0 ? world.join : node;
		bool is_state = i % 3 == 0;
		struct room_node *next =
			add(&world, prev, CREATOR, is_state ? "m.room.topic" : "m.room.message",
				is_state ? "" : NULL, arena_printf(arena, "{'topic':'%d'}", i));
		accepted += accept_event(&ctx, server, room, next->event).fate == EVENT_IN_TIMELINE;
		node = next;
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(senders[i].sent, LOCAL_EVENTS);
	}
	assert_int_equal(accepted, DAG_EVENTS);
	struct str room_id = world.builder.room_id;
	assert_int_equal(
		ask_number(server, room_id,
			"SELECT count(*) FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 AND position > 0"),
		1 + DAG_EVENTS + 2 * LOCAL_EVENTS);
	assert_int_equal(ask_number(server, room_id, "SELECT event_seq FROM rooms WHERE room_id = $1"),
		1 + DAG_EVENTS + 2 * LOCAL_EVENTS);
	check_intervals(server, room_id);
	/* Memory says what the database says. */
	struct state_map before = current_state(&ctx, server, room);
	rooms_forget(server->hs.rooms);
	assert_int_equal(rooms_get(&ctx, &server->hs, room_id, &room), ERR_OK);
	struct state_map after = current_state(&ctx, server, room);
	assert_same_state(&before, &after);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept__random_forks__same_state_everywhere),
		cmocka_unit_test(accept__while_ours_are_sent__all_kept_and_one_state),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
