/*
 * State resolution by scenario: the forks that the algorithms were made for, the resets of v2 that v2.1
 * ends, v1's order by depth and SHA-1, and hostile graphs, whose cost is counted in fetched events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "matrix/auth.h"
#include "tests/support/room_graph.h"

#define ALICE "@alice:a.example"
#define BOB "@bob:b.example"
#define CHARLIE "@charlie:c.example"
#define EVELYN "@evelyn:e.example"
#define ZARA "@zara:z.example"

static struct arena *arena;
static struct room_builder room;
static struct room_graph graph;

static int tear_down(void **state)
{
	(void)state;
	made_room_builder_fini(&room);
	arena_destroy(arena);
	return 0;
}

/* ---- writing graphs ---- */

static struct room_node *add_after(struct room_node *const *prev, size_t n,
	const struct room_draft *draft)
{
	struct room_node *node = room_graph_add(&graph, prev, n, draft);
	assert_non_null(node);
	return node;
}

static struct room_node *member(struct room_node *prev, const char *sender, const char *user,
	const char *membership)
{
	return add_after(&prev, 1,
		&(struct room_draft){.sender = sender,
			.type = "m.room.member",
			.state_key = user,
			.content = arena_printf(arena, "{'membership':'%s'}", membership)});
}

static struct room_node *set(struct room_node *prev, const char *sender, const char *type,
	const char *content)
{
	return add_after(&prev, 1,
		&(struct room_draft){.sender = sender, .type = type, .state_key = "", .content = content});
}

static struct room_node *topic(struct room_node *prev, const char *sender)
{
	return set(prev, sender, "m.room.topic", "{'topic':'t'}");
}

static struct room_node *levels(struct room_node *prev, const char *sender, const char *users)
{
	const char *alice = room.version->privileged_creators ? "" : "'" ALICE "':100";
	const char *comma = alice[0] != '\0' && users[0] != '\0' ? "," : "";
	return set(prev, sender, "m.room.power_levels",
		arena_printf(arena, "{'users':{%s%s%s},'events':{'m.room.power_levels':50}}", alice, comma,
			users));
}

/* Alice's public room with bob, charlie and zara; returns its last event. */
static struct room_node *start(const char *version)
{
	arena = arena_create();
	made_room_builder_init(&room, arena, version);
	room_graph_init(&graph, &room);
	const char *content = room.version->creator_is_sender ? "{}" : "{'creator':'" ALICE "'}";
	struct room_node *at = add_after(NULL, 0,
		&(struct room_draft){.sender = ALICE,
			.type = "m.room.create",
			.state_key = "",
			.content = content});
	at = member(at, ALICE, ALICE, "join");
	at = levels(at, ALICE, "");
	at = set(at, ALICE, "m.room.join_rules", "{'join_rule':'public'}");
	at = member(at, BOB, BOB, "join");
	at = member(at, CHARLIE, CHARLIE, "join");
	return member(at, ZARA, ZARA, "join");
}

static struct state_map merge(struct room_node *a, struct room_node *b)
{
	struct room_node *both[] = {a, b};
	struct room_node *turned[] = {b, a};
	const struct state_map merged = room_graph_resolve(&graph, both, 2);
	const struct state_map again = room_graph_resolve(&graph, turned, 2);
	assert_true(room_states_equal(&merged, &again));
	return merged;
}

static void expect(const struct state_map *state, const struct room_node *node)
{
	const struct event *event = state_map_get(state, node->event->type, node->event->state_key);
	assert_non_null(event);
	assert_true(str_equals(event->event_id.s, node->event->event_id.s));
}

static void expect_membership(const struct state_map *state, const char *user,
	const char *membership)
{
	const struct event *event = state_map_get(state, STR("m.room.member"), str_of(user));
	assert_true(str_equals(event != NULL ? event_membership(event) : STR(""), str_of(membership)));
}

/* All versions with v2 or v2.1. */
static const char *const modern[] = {"2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"};

#define EACH_MODERN(version) \
	for (size_t v_ = 0; v_ < COUNT_OF(modern) && ((version) = modern[v_]) != NULL; \
		 v_++, tear_down(NULL))

/* ---- v2 and v2.1 ---- */

static void resolve__ban_against_power_levels__ban_wins(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
		struct room_node *ma = member(pa, ALICE, ALICE, "join");
		struct room_node *mb = member(ma, ALICE, BOB, "ban");
		struct room_node *pb = levels(pa, BOB, "'" BOB "':50");
		const struct state_map merged = merge(mb, pb);
		expect(&merged, mb);
		expect(&merged, ma);
		expect(&merged, pa);
	}
}

static void resolve__join_beside_closing__join_is_out(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *jr = set(at, ALICE, "m.room.join_rules", "{'join_rule':'invite'}");
		struct room_node *me = member(at, EVELYN, EVELYN, "join");
		const struct state_map merged = merge(jr, me);
		expect(&merged, jr);
		expect_membership(&merged, EVELYN, "");
	}
}

static void resolve__chain_of_power_levels__newest_wins(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
		struct room_node *pb = levels(pa, BOB, "'" BOB "':50,'" CHARLIE "':50");
		struct room_node *pc = levels(pb, CHARLIE, "'" BOB "':50,'" CHARLIE "':0");
		const struct state_map merged = merge(pc, pa);
		expect(&merged, pc);
	}
}

static void resolve__topic_by_demoted_user__is_out(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *t1 = topic(start(version), ALICE);
		struct room_node *pa1 = levels(t1, ALICE, "'" BOB "':50");
		struct room_node *t2 = topic(pa1, ALICE);
		struct room_node *pa2 = levels(t2, ALICE, "'" BOB "':0");
		struct room_node *pb = levels(pa1, BOB, "'" BOB "':50");
		struct room_node *t3 = topic(pb, BOB);
		const struct state_map merged = merge(pa2, t3);
		expect(&merged, pa2);
		expect(&merged, t2);
	}
}

static void resolve__topic_by_banned_user__falls_back(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *t1 = topic(start(version), ALICE);
		struct room_node *pa = levels(t1, ALICE, "'" BOB "':50");
		struct room_node *t2 = topic(pa, BOB);
		struct room_node *mb = member(t2, ALICE, BOB, "ban");
		const struct state_map merged = merge(mb, t1);
		expect(&merged, t1);
		expect(&merged, mb);
		expect(&merged, pa);
	}
}

static void resolve__topics_on_old_and_new_power__mainline_decides(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *t1 = topic(start(version), ALICE);
		struct room_node *pa1 = levels(t1, ALICE, "'" BOB "':50");
		struct room_node *t2 = topic(pa1, ALICE);
		struct room_node *pa2 = set(t2, ALICE, "m.room.power_levels",
			room.version->privileged_creators ? "{'users':{'" BOB
												"':50},'events':{'m.room.power_levels':99}}"
											  : "{'users':{'" ALICE "':100,'" BOB "':50},"
												"'events':{'m.room.power_levels':99}}");
		struct room_node *t3 = topic(pa2, ALICE);
		struct room_node *pb =
			levels(pa1, BOB, "'" BOB "':50,'" CHARLIE "':2"); /* too weak after pa2 */
		struct room_node *t4 = topic(pb, ALICE);              /* later than t3 */
		const struct state_map merged = merge(t3, t4);
		expect(&merged, pa2);
		expect(&merged, t3);
	}
}

static void resolve__two_names__later_one_wins(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *pa = levels(at, ALICE, "'" BOB "':50,'" CHARLIE "':50");
		struct room_node *first = set(pa, BOB, "m.room.name", "{'name':'1'}");
		struct room_node *second = set(pa, CHARLIE, "m.room.name", "{'name':'2'}");
		const struct state_map merged = merge(first, second);
		expect(&merged, second);
	}
}

static void resolve__same_time__smaller_id_goes_first(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *both[2];
		for (int i = 0; i < 2; i++) {
			both[i] = add_after(&at, 1,
				&(struct room_draft){.sender = ALICE,
					.type = "m.room.name",
					.state_key = "",
					.ts = 5000,
					.content = arena_printf(arena, "{'name':'%d'}", i)});
		}
		const int order = str_compare(both[0]->event->event_id.s, both[1]->event->event_id.s);
		const struct state_map merged = merge(both[0], both[1]);
		expect(&merged, both[order < 0 ? 1 : 0]);
	}
}

static void resolve__key_in_one_set_only__still_authorised(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
		struct room_node *name = set(pa, BOB, "m.room.name", "{'name':'n'}");
		struct room_node *kick = member(pa, ALICE, BOB, "leave");
		const struct state_map merged = merge(name, kick);
		assert_null(state_map_get(&merged, STR("m.room.name"), STR("")));
		expect(&merged, kick);
	}
}

/* Two admins ban each other: the one with more power, or who was first, remains. */
static void resolve__admins_ban_each_other__earlier_ban_stands(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		struct room_node *at = start(version);
		struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
		struct room_node *demote = levels(pa, ALICE, "'" BOB "':50,'" CHARLIE "':49");
		struct room_node *by_bob = member(demote, BOB, CHARLIE, "ban");
		struct room_node *by_alice = member(demote, ALICE, BOB, "ban");
		const struct state_map merged = merge(by_bob, by_alice);
		expect_membership(&merged, BOB, "ban");
		expect_membership(&merged, CHARLIE, "join"); /* alice's ban counts first */
	}
}

static void resolve__no_conflict_and_no_sets__copied(void **state)
{
	(void)state;
	struct room_node *at = start("10");
	const struct event_source source = made_room_source(&room);
	struct state_map out;
	resolve_state(arena, room.version, NULL, 0, &source, &out);
	assert_int_equal(out.n, 0);
	resolve_state(arena, room.version, &at->state, 1, &source, &out);
	assert_true(room_states_equal(&out, &at->state));
	struct state_map empty;
	state_map_init(&empty, arena);
	const struct state_map sets[] = {empty, empty};
	resolve_state(arena, room.version, sets, 2, &source, &out);
	assert_int_equal(out.n, 0);
}

/* ---- state resets: v2 has them, v2.1 has not ---- */

/* An event of a state set whose auth events are chosen by hand, as a careless server would. */
static const struct event *by_hand(const char *sender, const char *type, const char *key,
	const char *content, const struct event *const *auth, size_t n)
{
	/* Create events stand among auth events up to version 11. */
	const struct event **all = ARENA_NEW_ARRAY(arena, const struct event *, n + 1);
	size_t count = 0;
	const struct event *create = graph.nodes.n > 0 ? graph.nodes.p[0]->event : NULL;
	if (create != NULL && !room.version->room_id_is_create_hash) {
		all[count++] = create;
	}
	for (size_t i = 0; i < n; i++) {
		all[count++] = auth[i];
	}
	return made_room_make(&room,
		&(struct room_draft){.sender = sender,
			.type = type,
			.state_key = key,
			.content = content,
			.auth = all,
			.auth_count = count,
			.has_auth = true});
}

#define AUTH(...) \
	((const struct event *const[]){__VA_ARGS__}), \
		sizeof((const struct event *const[]){__VA_ARGS__}) / sizeof(struct event *)

static const struct event *begin(const char *version)
{
	arena = arena_create();
	made_room_builder_init(&room, arena, version);
	room_graph_init(&graph, &room);
	const char *content = room.version->creator_is_sender ? "{}" : "{'creator':'" ALICE "'}";
	return add_after(NULL, 0,
		&(struct room_draft){.sender = ALICE,
			.type = "m.room.create",
			.state_key = "",
			.content = content})
		->event;
}

static struct state_map resolve_two(struct state_map a, struct state_map b)
{
	const struct state_map sets[] = {a, b};
	const struct event_source source = made_room_source(&room);
	struct state_map out;
	resolve_state(arena, room.version, sets, 2, &source, &out);
	return out;
}

#define STATE_OF(...) made_room_state_of(&room, AUTH(__VA_ARGS__))

static bool holds(const struct state_map *state, const struct event *event)
{
	const struct event *found = state_map_get(state, event->type, event->state_key);
	return found != NULL && str_equals(found->event_id.s, event->event_id.s);
}

#define JOIN "{'membership':'join'}"
#define LEAVE "{'membership':'leave'}"
#define ONLY(who) \
	((room.version->privileged_creators) ? "{'users':{" who "}}" \
			: who[0] == '\0'             ? "{'users':{'" ALICE "':100}}" \
										 : "{'users':{'" ALICE "':100," who "}}")

/*
 * MSC4297, first problem: join rules in conflict, their sender gone from both sets. Starting from the
 * unconflicted state, no join rule is authorised, and the room has none.
 */
static struct state_map sender_has_left(const char *version, const struct event **out_newer)
{
	const struct event *create = begin(version);
	const struct event *ma = by_hand(ALICE, "m.room.member", ALICE, JOIN, NULL, 0);
	const struct event *pl =
		by_hand(ALICE, "m.room.power_levels", "", ONLY("'" BOB "':99"), AUTH(ma));
	const struct event *jr1 =
		by_hand(ALICE, "m.room.join_rules", "", "{'join_rule':'public'}", AUTH(ma, pl));
	const struct event *mb = by_hand(BOB, "m.room.member", BOB, JOIN, AUTH(pl, jr1));
	const struct event *jr2 =
		by_hand(ALICE, "m.room.join_rules", "", "{'join_rule':'invite'}", AUTH(ma, pl));
	const struct event *gone = by_hand(ALICE, "m.room.member", ALICE, LEAVE, AUTH(pl, ma));
	*out_newer = jr2;
	return resolve_two(STATE_OF(create, gone, mb, pl, jr2), STATE_OF(create, gone, mb, pl, jr1));
}

static void sec_5_2__senders_of_conflict_have_left__v2_1_keeps_the_newer(void **state)
{
	(void)state;
	const struct event *newer;
	const struct state_map after = sender_has_left("12", &newer);
	assert_true(holds(&after, newer));
	assert_int_equal(after.n, 5);
	tear_down(NULL);
	const struct state_map reset = sender_has_left("11", &newer);
	assert_null(state_map_get(&reset, STR("m.room.join_rules"), STR("")));
}

/*
 * MSC4297, second problem: an event that cites old power levels, and through its sender's membership new
 * ones. Without the conflicted subgraph the power levels in between are not replayed.
 */
static struct state_map cites_old_power(const char *version, const struct event **out_power,
	const struct event **out_join)
{
	const struct event *create = begin(version);
	const struct event *ma = by_hand(ALICE, "m.room.member", ALICE, JOIN, NULL, 0);
	const struct event *p1 = by_hand(ALICE, "m.room.power_levels", "", ONLY(""), AUTH(ma));
	const struct event *jr =
		by_hand(ALICE, "m.room.join_rules", "", "{'join_rule':'public'}", AUTH(ma, p1));
	const struct event *mb = by_hand(BOB, "m.room.member", BOB, JOIN, AUTH(p1, jr));
	const struct event *mc = by_hand(CHARLIE, "m.room.member", CHARLIE, JOIN, AUTH(p1, jr));
	const struct event *p2 =
		by_hand(ALICE, "m.room.power_levels", "", ONLY("'" BOB "':50"), AUTH(ma, p1));
	const struct event *p3 = by_hand(BOB, "m.room.power_levels", "",
		ONLY("'" BOB "':50,'" CHARLIE "':50"), AUTH(mb, p2));
	const struct event *me1 = by_hand(EVELYN, "m.room.member", EVELYN, JOIN, AUTH(p3, jr));
	const struct event *me2 = by_hand(EVELYN, "m.room.member", EVELYN, JOIN, AUTH(p1, jr, me1));
	const struct event *mz = by_hand(ZARA, "m.room.member", ZARA, JOIN, AUTH(p3, jr));
	*out_power = p3;
	*out_join = me1;
	return resolve_two(STATE_OF(create, ma, mb, mc, me2, p1, jr),
		STATE_OF(create, ma, mb, mc, mz, p3, jr));
}

static void sec_5_2__event_on_old_power__v2_1_replays_what_lies_between(void **state)
{
	(void)state;
	const struct event *power;
	const struct event *join;
	const struct state_map after = cites_old_power("12", &power, &join);
	assert_true(holds(&after, power));
	assert_true(holds(&after, join));
	expect_membership(&after, ZARA, "join");
	assert_int_equal(after.n, 8);
	tear_down(NULL);
	const struct state_map reset = cites_old_power("11", &power, &join);
	assert_false(holds(&reset, power)); /* p2 is not replayed, so p3 is not allowed */
}

/*
 * One side cites old power levels, the other new ones, and both agree on the new: the old ones lie below
 * what is agreed on, so they are no part of the auth difference and must not be replayed over the new.
 */
static void resolve__old_power_below_agreed_state__not_replayed(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		const struct event *create = begin(version);
		const struct event *ma = by_hand(ALICE, "m.room.member", ALICE, JOIN, NULL, 0);
		const struct event *p1 = by_hand(ALICE, "m.room.power_levels", "", ONLY(""), AUTH(ma));
		const struct event *jr =
			by_hand(ALICE, "m.room.join_rules", "", "{'join_rule':'public'}", AUTH(ma, p1));
		const struct event *mb = by_hand(BOB, "m.room.member", BOB, JOIN, AUTH(p1, jr));
		const struct event *p2 =
			by_hand(ALICE, "m.room.power_levels", "", ONLY("'" BOB "':50"), AUTH(ma, p1));
		const struct event *old = by_hand(ALICE, "m.room.name", "", "{'name':'old'}", AUTH(ma, p1));
		const struct event *new = by_hand(BOB, "m.room.name", "", "{'name':'new'}", AUTH(mb, p2));
		const struct state_map merged = resolve_two(STATE_OF(create, ma, mb, p2, jr, old),
			STATE_OF(create, ma, mb, p2, jr, new));
		assert_true(holds(&merged, new)); /* bob may set it by p2, not by p1 */
		assert_true(holds(&merged, p2));
	}
}

/* The state sets lack the create event, which the room id names. */
static void resolve__create_in_no_set__found_by_the_room_id(void **state)
{
	(void)state;
	struct room_node *at = start("12");
	struct room_node *first = set(at, ALICE, "m.room.name", "{'name':'1'}");
	struct room_node *second = set(at, ALICE, "m.room.name", "{'name':'2'}");
	(void)state_map_remove(&first->state, STR("m.room.create"), STR(""));
	(void)state_map_remove(&second->state, STR("m.room.create"), STR(""));
	const struct state_map merged = merge(first, second);
	expect(&merged, second);
	assert_null(state_map_get(&merged, STR("m.room.create"), STR("")));
}

/* ---- v1 ---- */

static void resolve_v1__conflicting_names__deepest_then_smallest_hash(void **state)
{
	(void)state;
	struct room_node *at = start("1");
	const struct event *names[3];
	for (int i = 0; i < 3; i++) {
		names[i] = add_after(&at, 1,
			&(struct room_draft){.sender = ALICE,
				.type = "m.room.name",
				.state_key = "",
				.depth = i == 0 ? 50 : 60})
					   ->event;
	}
	unsigned char hash[2][SHA1_BYTES];
	crypto_sha1(names[1]->event_id.s, hash[0]);
	crypto_sha1(names[2]->event_id.s, hash[1]);
	const struct event *wanted = memcmp(hash[0], hash[1], SHA1_BYTES) < 0 ? names[1] : names[2];
	struct room_node *all[] = {graph.nodes.p[graph.nodes.n - 3], graph.nodes.p[graph.nodes.n - 2],
		graph.nodes.p[graph.nodes.n - 1]};
	const struct state_map merged = room_graph_resolve(&graph, all, 3);
	assert_true(holds(&merged, wanted));
}

static void resolve_v1__power_levels__each_allows_the_next(void **state)
{
	(void)state;
	struct room_node *at = start("1");
	struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
	struct room_node *pb = levels(pa, BOB, "'" BOB "':50,'" CHARLIE "':50");
	struct room_node *pc = levels(pb, CHARLIE, "'" BOB "':50,'" CHARLIE "':0");
	struct state_map merged = merge(pa, pc);
	expect(&merged, pa); /* charlie has no power in pa; pb, which gives it, is in no set */
	merged = merge(pa, pb);
	expect(&merged, pb);
	struct room_node *demoted = levels(pa, ALICE, "'" BOB "':0");
	struct room_node *longer = topic(demoted, ALICE);
	merged = merge(longer, pb);
	expect(&merged, demoted);
	expect(&merged, longer);
}

static void resolve_v1__key_in_one_set__no_conflict(void **state)
{
	(void)state;
	struct room_node *at = start("1");
	struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
	struct room_node *name = set(pa, BOB, "m.room.name", "{'name':'n'}");
	struct room_node *kick = member(pa, ALICE, BOB, "leave");
	const struct state_map merged = merge(name, kick);
	expect(&merged, name);
}

static void resolve_v1__nothing_allowed__least_depth_stays(void **state)
{
	(void)state;
	struct room_node *at = start("1");
	struct room_node *pa = levels(at, ALICE, "'" BOB "':50");
	struct room_node *first = set(pa, BOB, "m.room.name", "{'name':'1'}");
	struct room_node *second = set(topic(pa, BOB), BOB, "m.room.name", "{'name':'2'}");
	struct room_node *gone = member(pa, ALICE, BOB, "leave");
	struct room_node *later = topic(topic(gone, ALICE), ALICE);
	struct room_node *all[] = {first, second, later};
	/* Bob's membership is in conflict; the deeper event, the kick, replaces his join. */
	const struct state_map merged = room_graph_resolve(&graph, all, 3);
	expect_membership(&merged, BOB, "leave");
	expect(&merged, first);
}

/* ---- cost ---- */

/* A fork after which each side changes power levels many times, and a name on every one of them. */
static size_t fetches_of_long_fork(const char *version, size_t length)
{
	struct room_node *at = start(version);
	struct room_node *ends[2];
	for (size_t side = 0; side < 2; side++) {
		const struct event *power = state_map_get(&at->state, STR("m.room.power_levels"), STR(""));
		const struct event *alice = state_map_get(&at->state, STR("m.room.member"), STR(ALICE));
		struct room_node *end = ARENA_NEW(arena, struct room_node);
		room.state = at->state;
		end->state = made_room_state_copy(&room);
		for (size_t i = 0; i < length; i++) {
			power = by_hand(ALICE, "m.room.power_levels", "",
				arena_printf(arena, "{'users':{%s'" BOB "':%zu}}",
					room.version->privileged_creators ? "" : "'" ALICE "':100,", i % 40),
				AUTH(power, alice));
			const struct event *name =
				by_hand(ALICE, "x.name", arena_printf(arena, "%zu", i), "{}", AUTH(power, alice));
			(void)state_map_put(&end->state, name);
		}
		(void)state_map_put(&end->state, power);
		ends[side] = end;
	}
	room.fetches = 0;
	const struct state_map merged = room_graph_resolve(&graph, ends, 2);
	assert_int_equal(merged.n, at->state.n + length);
	return room.fetches;
}

static void sec_5_8__long_forks__each_event_fetched_once(void **state)
{
	(void)state;
	static const char *const versions[] = {"2", "11", "12"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		for (size_t length = 250; length <= 1000; length *= 2) {
			const size_t fetches = fetches_of_long_fork(versions[i], length);
			/* Names and last power levels are in the sets; the rest is fetched once. */
			assert_true(fetches <= 2 * length + 20);
			tear_down(NULL);
		}
	}
	arena = arena_create();
	made_room_builder_init(&room, arena, "12");
}

/* A chain of memberships 10,000 deep below one conflicted event. */
static void sec_5_10__deep_auth_chain__linear_and_no_recursion(void **state)
{
	(void)state;
	enum { DEPTH = 10000 };
	const struct event *create = begin("12");
	const struct event *ma = by_hand(ALICE, "m.room.member", ALICE, JOIN, NULL, 0);
	const struct event *pl = by_hand(ALICE, "m.room.power_levels", "", ONLY(""), AUTH(ma));
	const struct event *first = ma;
	for (size_t i = 0; i < DEPTH; i++) {
		ma = by_hand(ALICE, "m.room.member", ALICE, JOIN, AUTH(ma, pl));
	}
	const struct event *left = by_hand(ALICE, "m.room.name", "", "{'name':'l'}", AUTH(ma, pl));
	const struct event *right = by_hand(ALICE, "m.room.name", "", "{'name':'r'}", AUTH(first, pl));
	room.fetches = 0;
	const struct state_map merged =
		resolve_two(STATE_OF(create, ma, pl, left), STATE_OF(create, first, pl, right));
	assert_int_equal(merged.n, 4);
	assert_true(holds(&merged, ma));
	assert_true(room.fetches <= DEPTH + 10);
}

/* Auth events that are unknown, of another room, messages, or (versions 1, 2) in a circle. */
static void sec_5_6__broken_auth_events__treated_as_absent(void **state)
{
	(void)state;
	struct room_node *at = start("2");
	struct event *left = made_room_make(&room,
		&(struct room_draft){.sender = ALICE,
			.type = "m.room.join_rules",
			.state_key = "",
			.content = "{'join_rule':'invite'}"});
	struct event *right = made_room_make(&room,
		&(struct room_draft){.sender = ALICE,
			.type = "m.room.join_rules",
			.state_key = "",
			.content = "{'join_rule':'public'}"});
	struct event *foreign = ARENA_NEW(arena, struct event);
	*foreign = *at->event;
	foreign->event_id.s = STR("$foreign:a.example");
	foreign->room_id.s = STR("!foreign:a.example");
	(void)map_set(&room.events, foreign->event_id.s, foreign);
	struct event *message = ARENA_NEW(arena, struct event);
	*message = *at->event;
	message->event_id.s = STR("$message:a.example");
	message->is_state = false;
	(void)map_set(&room.events, message->event_id.s, message);
	const struct event_id circle_left[] = {right->event_id, {STR("$unknown:a.example")},
		foreign->event_id, message->event_id};
	const struct event_id circle_right[] = {left->event_id};
	left->auth_events = circle_left;
	left->auth_count = COUNT_OF(circle_left);
	right->auth_events = circle_right;
	right->auth_count = 1;
	room.state = at->state;
	struct state_map a = made_room_state_copy(&room);
	struct state_map b = made_room_state_copy(&room);
	(void)state_map_put(&a, left);
	(void)state_map_put(&b, right);
	const struct state_map merged = resolve_two(a, b);
	/* A circle has no first event, so neither is replayed. */
	assert_null(state_map_get(&merged, STR("m.room.join_rules"), STR("")));
	assert_int_equal(merged.n, at->state.n - 1);
}

/* Bob bans by power that he has in another room: its levels stand among the ban's auth events. */
static void sec_5_6__levels_of_another_room__give_no_power(void **state)
{
	(void)state;
	const char *version;
	EACH_MODERN(version)
	{
		const struct event *create = begin(version);
		const struct event *ma = by_hand(ALICE, "m.room.member", ALICE, JOIN, NULL, 0);
		const struct event *jr =
			by_hand(ALICE, "m.room.join_rules", "", "{'join_rule':'public'}", AUTH(ma));
		const struct event *mb = by_hand(BOB, "m.room.member", BOB, JOIN, AUTH(jr));
		const struct event *mc = by_hand(CHARLIE, "m.room.member", CHARLIE, JOIN, AUTH(jr));
		struct event *foreign = ARENA_NEW(arena, struct event);
		*foreign = *by_hand(ALICE, "m.room.power_levels", "", ONLY("'" BOB "':100"), AUTH(ma));
		foreign->room_id.s = STR("!foreign:a.example");
		(void)map_set(&room.events, foreign->event_id.s, foreign);
		const struct event *ban =
			by_hand(BOB, "m.room.member", CHARLIE, "{'membership':'ban'}", AUTH(mb, mc, foreign));
		const struct state_map merged =
			resolve_two(STATE_OF(create, ma, jr, mb, ban), STATE_OF(create, ma, jr, mb, mc));
		assert_true(holds(&merged, mc));
	}
}

/* Rejected auth events do not stand in for missing state. */
static bool all_rejected(void *self, struct event_id id)
{
	(void)self;
	(void)id;
	return true;
}

static void resolve__rejected_auth_events__not_used(void **state)
{
	(void)state;
	struct room_node *at = start("12");
	struct room_node *first = set(at, ALICE, "m.room.name", "{'name':'1'}");
	struct room_node *second = set(at, ALICE, "m.room.name", "{'name':'2'}");
	const struct state_map sets[] = {first->state, second->state};
	struct event_source source = made_room_source(&room);
	struct state_map out;
	resolve_state(arena, room.version, sets, 2, &source, &out);
	expect(&out, second);
	source.is_rejected = all_rejected;
	resolve_state(arena, room.version, sets, 2, &source, &out);
	assert_null(state_map_get(&out, STR("m.room.name"), STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolve__ban_against_power_levels__ban_wins),
		cmocka_unit_test(resolve__join_beside_closing__join_is_out),
		cmocka_unit_test(resolve__chain_of_power_levels__newest_wins),
		cmocka_unit_test(resolve__topic_by_demoted_user__is_out),
		cmocka_unit_test(resolve__topic_by_banned_user__falls_back),
		cmocka_unit_test(resolve__topics_on_old_and_new_power__mainline_decides),
		cmocka_unit_test(resolve__two_names__later_one_wins),
		cmocka_unit_test(resolve__same_time__smaller_id_goes_first),
		cmocka_unit_test(resolve__key_in_one_set_only__still_authorised),
		cmocka_unit_test(resolve__admins_ban_each_other__earlier_ban_stands),
		cmocka_unit_test_teardown(resolve__no_conflict_and_no_sets__copied, tear_down),
		cmocka_unit_test_teardown(sec_5_2__senders_of_conflict_have_left__v2_1_keeps_the_newer,
			tear_down),
		cmocka_unit_test_teardown(sec_5_2__event_on_old_power__v2_1_replays_what_lies_between,
			tear_down),
		cmocka_unit_test_teardown(resolve_v1__conflicting_names__deepest_then_smallest_hash,
			tear_down),
		cmocka_unit_test(resolve__old_power_below_agreed_state__not_replayed),
		cmocka_unit_test_teardown(resolve__create_in_no_set__found_by_the_room_id, tear_down),
		cmocka_unit_test_teardown(resolve_v1__power_levels__each_allows_the_next, tear_down),
		cmocka_unit_test_teardown(resolve_v1__key_in_one_set__no_conflict, tear_down),
		cmocka_unit_test_teardown(resolve_v1__nothing_allowed__least_depth_stays, tear_down),
		cmocka_unit_test_teardown(sec_5_8__long_forks__each_event_fetched_once, tear_down),
		cmocka_unit_test_teardown(sec_5_10__deep_auth_chain__linear_and_no_recursion, tear_down),
		cmocka_unit_test(sec_5_6__levels_of_another_room__give_no_power),
		cmocka_unit_test_teardown(sec_5_6__broken_auth_events__treated_as_absent, tear_down),
		cmocka_unit_test_teardown(resolve__rejected_auth_events__not_used, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
