/*
 * State resolution on random rooms: users join, leave, are kicked and banned, power levels, join rules and
 * names change, on branches that merge again. For every version: the result does not depend on the order
 * of the sets, on their repetition, or on the order of events in them; resolving a result again changes
 * nothing; what the sets agree on is kept; every event comes from the sets or their auth chains.
 *
 * A failure prints version and seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/room_graph.h"

enum {
	ROOMS_PER_VERSION = 12,
	EVENTS_PER_ROOM = 60,
	ATTEMPTS_PER_ROOM = 400, /* rooms can die: everybody left or banned */
	MERGES_PER_ROOM = 10,
	SETS_MAX = 5,
	FIRST_SEED = 20260101,
};

static const char *const users[] = {"@alice:a.example", "@bob:b.example", "@carol:c.example",
	"@dave:d.example", "@erin:e.example"};

static struct arena *arena;
static struct room_builder room;
static struct room_graph graph;
static uint64_t seed;

static size_t pick(size_t below)
{
	return room_random(&seed, below);
}

static const char *any_user(void)
{
	return users[pick(COUNT_OF(users))];
}

/* ---- random events ---- */

static struct room_draft random_levels(const char *sender)
{
	static const int levels[] = {0, 25, 50, 50, 75, 100};
	const char *text = "";
	for (size_t i = 1; i < COUNT_OF(users); i++) {
		text = arena_printf(arena, "%s,'%s':%d", text, users[i], levels[pick(COUNT_OF(levels))]);
	}
	const char *first = room.version->privileged_creators
		? "'@x:x.example':0"
		: arena_printf(arena, "'%s':100", users[0]);
	return (struct room_draft){.sender = sender,
		.type = "m.room.power_levels",
		.state_key = "",
		.content = arena_printf(arena, "{'users':{%s%s},'invite':%d,'state_default':%d}", first,
			text, (int)pick(60), (int)pick(60))};
}

static struct room_draft random_draft(void)
{
	static const char *const memberships[] = {"join", "join", "leave", "ban", "invite", "knock"};
	static const char *const rules[] = {"public", "public", "invite", "knock", "restricted"};
	const char *sender = any_user();
	switch (pick(6)) {
	case 0:
		return random_levels(sender);
	case 1:
		return (struct room_draft){.sender = sender,
			.type = "m.room.join_rules",
			.state_key = "",
			.content = arena_printf(arena, "{'join_rule':'%s'}", rules[pick(COUNT_OF(rules))])};
	case 2:
	case 3: {
		const char *target = pick(2) == 0 ? sender : any_user();
		return (struct room_draft){.sender = sender,
			.type = "m.room.member",
			.state_key = target,
			.content = arena_printf(arena, "{'membership':'%s'}",
				memberships[pick(COUNT_OF(memberships))])};
	}
	default:
		return (struct room_draft){.sender = sender,
			.type = pick(2) == 0 ? "m.room.name" : "m.room.topic",
			.state_key = "",
			.content = arena_printf(arena, "{'name':'%zu'}", pick(1000))};
	}
}

static void add_random(void)
{
	struct room_node *prev[3];
	const size_t wanted = pick(4) == 0 ? 1 + pick(3) : 1;
	const size_t newest = pick(8) == 0 ? 40 : 12;
	const size_t window = MIN_OF(graph.nodes.n, newest);
	size_t n = 0;
	for (size_t i = 0; i < wanted; i++) {
		struct room_node *node = graph.nodes.p[graph.nodes.n - 1 - pick(window)];
		const bool is_new = n == 0 || (node != prev[0] && (n == 1 || node != prev[1]));
		if (is_new) {
			prev[n++] = node;
		}
	}
	struct room_draft draft = random_draft();
	draft.ts = 1000 + (int64_t)pick(50); /* many at the same time, none in order */
	(void)room_graph_add(&graph, prev, n, &draft);
}

static void must_add(const struct room_draft *draft)
{
	struct room_node *last = graph.nodes.n > 0 ? graph.nodes.p[graph.nodes.n - 1] : NULL;
	assert_non_null(room_graph_add(&graph, &last, last != NULL ? 1 : 0, draft));
}

static void build_room(const char *version)
{
	made_room_builder_init(&room, arena, version);
	room_graph_init(&graph, &room);
	must_add(&(struct room_draft){.sender = users[0],
		.type = "m.room.create",
		.state_key = "",
		.content = room.version->creator_is_sender ? "{}" : "{'creator':'@alice:a.example'}"});
	must_add(&(struct room_draft){.sender = users[0],
		.type = "m.room.member",
		.state_key = users[0],
		.content = "{'membership':'join'}"});
	must_add(&(struct room_draft){.sender = users[0],
		.type = "m.room.join_rules",
		.state_key = "",
		.content = "{'join_rule':'public'}"});
	for (size_t i = 1; i < 4; i++) {
		must_add(&(struct room_draft){.sender = users[i],
			.type = "m.room.member",
			.state_key = users[i],
			.content = "{'membership':'join'}"});
	}
	const struct room_draft levels = random_levels(users[0]);
	must_add(&levels);
	for (size_t i = 0; i < ATTEMPTS_PER_ROOM && graph.nodes.n < EVENTS_PER_ROOM; i++) {
		add_random();
	}
}

/* ---- properties ---- */

static struct state_map resolve(const struct state_map *sets, size_t n)
{
	const struct event_source source = made_room_source(&room);
	struct state_map out;
	resolve_state(arena, room.version, sets, n, &source, &out);
	return out;
}

/* The same state, put together in another order. */
static struct state_map shuffled(const struct state_map *state)
{
	const struct event **events = ARENA_NEW_ARRAY(arena, const struct event *, state->n + 1);
	size_t n = 0;
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(state, &at)) != NULL) {
		events[n++] = event;
	}
	for (size_t i = n; i > 1; i--) {
		const size_t j = pick(i);
		const struct event *kept = events[i - 1];
		events[i - 1] = events[j];
		events[j] = kept;
	}
	return made_room_state_of(&room, events, n);
}

static void check_order(const struct state_map *sets, size_t n, const struct state_map *result)
{
	struct state_map turned[SETS_MAX * 2];
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < n; i++) {
			turned[i] = shuffled(&sets[i]);
		}
		for (size_t i = n; i > 1; i--) {
			const size_t j = pick(i);
			const struct state_map kept = turned[i - 1];
			turned[i - 1] = turned[j];
			turned[j] = kept;
		}
		const struct state_map again = resolve(turned, n);
		assert_true(room_states_equal(result, &again));
	}
	for (size_t i = 0; i < n; i++) {
		turned[i] = sets[i];
		turned[n + i] = sets[n - 1 - i];
	}
	const struct state_map repeated = resolve(turned, n * 2);
	assert_true(room_states_equal(result, &repeated));
}

static void check_idempotence(const struct state_map *result)
{
	const struct state_map twice[] = {*result, *result};
	const struct state_map once_more = resolve(twice, 1);
	const struct state_map of_two = resolve(twice, 2);
	assert_true(room_states_equal(result, &once_more));
	assert_true(room_states_equal(result, &of_two));
}

/* All events of the sets and their auth chains. */
static void collect_chain(const struct state_map *sets, size_t n, struct map *out)
{
	VEC(const struct event *) stack = {0};
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;
		const struct event *event;
		while ((event = state_map_next(&sets[i], &at)) != NULL) {
			VEC_PUSH(arena, &stack, event);
		}
	}
	while (stack.n > 0) {
		const struct event *event = stack.p[--stack.n];
		if (map_set(out, event->event_id.s, &room) != NULL) {
			continue;
		}
		for (size_t i = 0; i < event->auth_count; i++) {
			const struct event *auth = map_get(&room.events, event->auth_events[i].s);
			VEC_PUSH(arena, &stack, auth);
		}
	}
}

static void check_origin(const struct state_map *sets, size_t n, const struct state_map *result)
{
	struct map known CLEANUP(map_fini) = {0};
	collect_chain(sets, n, &known);
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(result, &at)) != NULL) {
		assert_non_null(map_get(&known, event->event_id.s));
	}
}

static void check_agreement(const struct state_map *sets, size_t n, const struct state_map *result)
{
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(&sets[0], &at)) != NULL) {
		size_t same = 1;
		for (size_t i = 1; i < n; i++) {
			same += state_map_get(&sets[i], event->type, event->state_key) == event ? 1 : 0;
		}
		if (same == n) {
			assert_ptr_equal(state_map_get(result, event->type, event->state_key), event);
		}
	}
}

static void check_merge(void)
{
	struct state_map sets[SETS_MAX];
	const size_t n = 2 + pick(SETS_MAX - 1);
	for (size_t i = 0; i < n; i++) {
		sets[i] = graph.nodes.p[pick(graph.nodes.n)]->state;
	}
	const struct state_map result = resolve(sets, n);
	check_order(sets, n, &result);
	check_idempotence(&result);
	check_origin(sets, n, &result);
	check_agreement(sets, n, &result);
}

static void resolve__random_rooms__properties_hold(void **state)
{
	const char *version = *state;
	for (uint64_t i = 0; i < ROOMS_PER_VERSION; i++) {
		seed = FIRST_SEED + i;
		print_message("version %s, seed %u\n", version, (unsigned)seed);
		arena = arena_create();
		build_room(version);
		assert_true(graph.nodes.n > 15);
		for (size_t j = 0; j < MERGES_PER_ROOM; j++) {
			check_merge();
		}
		made_room_builder_fini(&room);
		arena_destroy(arena);
	}
}

int main(void)
{
	static char ids[12][3];
	struct CMUnitTest tests[12];
	char names[12][64];
	for (int i = 0; i < 12; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%d", i + 1);
		(void)snprintf(names[i], sizeof(names[i]), "resolve_v%d__random_rooms__properties_hold",
			i + 1);
		tests[i] = (struct CMUnitTest){.name = names[i],
			.test_func = resolve__random_rooms__properties_hold,
			.initial_state = ids[i]};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
