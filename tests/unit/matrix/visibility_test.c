/*
 * History visibility: the five rules over all facts, and the two kinds of event that count twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "matrix/visibility.h"
#include "tests/support/room_builder.h"

/* The specification's rules once more, as a table: [visibility][membership], for those who … */
enum { NEVER, LATER, ALWAYS }; /* … may not see it, see it if they joined later, see it */

static const int expected[4][7] = {
	/* NONE, INVITE, JOIN, KNOCK, LEAVE, BAN, UNKNOWN */
	[VISIBILITY_SHARED] = {LATER, LATER, ALWAYS, LATER, LATER, LATER, LATER},
	[VISIBILITY_INVITED] = {NEVER, ALWAYS, ALWAYS, NEVER, NEVER, NEVER, NEVER},
	[VISIBILITY_JOINED] = {NEVER, NEVER, ALWAYS, NEVER, NEVER, NEVER, NEVER},
	[VISIBILITY_WORLD_READABLE] = {ALWAYS, ALWAYS, ALWAYS, ALWAYS, ALWAYS, ALWAYS, ALWAYS},
};

static bool is_expected(int visibility, int membership, bool joined_later)
{
	const int when = expected[visibility][membership];
	return when == ALWAYS || (when == LATER && joined_later);
}

static void visibility__all_facts__as_the_table(void **state)
{
	(void)state;
	for (int v = VISIBILITY_SHARED; v <= VISIBILITY_WORLD_READABLE; v++) {
		for (int m = MEMBERSHIP_NONE; m <= MEMBERSHIP_UNKNOWN; m++) {
			for (int later = 0; later <= 1; later++) {
				const struct visibility_facts facts =
					visibility_facts_plain((enum visibility)v, (enum membership)m, later == 1);
				assert_int_equal(visibility_allows(&facts), is_expected(v, m, later == 1));
			}
		}
	}
}

static void visibility__changed_by_the_event__either_side_counts(void **state)
{
	(void)state;
	for (int before = 0; before <= 3; before++) {
		for (int after = 0; after <= 3; after++) {
			for (int from = 0; from <= MEMBERSHIP_UNKNOWN; from++) {
				for (int to = 0; to <= MEMBERSHIP_UNKNOWN; to++) {
					const struct visibility_facts facts = {
						.before = (enum visibility)before,
						.after = (enum visibility)after,
						.membership_before = (enum membership)from,
						.membership_after = (enum membership)to,
					};
					const bool any = is_expected(before, from, false) ||
						is_expected(before, to, false) || is_expected(after, from, false) ||
						is_expected(after, to, false);
					assert_int_equal(visibility_allows(&facts), any);
				}
			}
		}
	}
}

static struct event event_of(struct arena *arena, const char *type, const char *key,
	const char *content)
{
	return (struct event){
		.type = str_of(type),
		.is_state = key != NULL,
		.state_key = str_of(key),
		.content = made_room_json(arena, content),
	};
}

static void visibility_facts_of__own_join_and_leave__seen(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	const struct user_id me = {STR("@me:a.example")};
	const struct user_id you = {STR("@you:a.example")};
	const struct event join =
		event_of(arena, "m.room.member", "@me:a.example", "{'membership':'join'}");
	struct visibility_facts facts =
		visibility_facts_of(&join, me, VISIBILITY_JOINED, MEMBERSHIP_NONE, false);
	assert_true(visibility_allows(&facts));
	facts = visibility_facts_of(&join, you, VISIBILITY_JOINED, MEMBERSHIP_NONE, false);
	assert_false(visibility_allows(&facts));
	const struct event ban =
		event_of(arena, "m.room.member", "@me:a.example", "{'membership':'ban'}");
	facts = visibility_facts_of(&ban, me, VISIBILITY_JOINED, MEMBERSHIP_JOIN, false);
	assert_true(visibility_allows(&facts));
	arena_destroy(arena);
}

static void visibility_facts_of__visibility_event__either_value_counts(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	const struct user_id me = {STR("@me:a.example")};
	const struct event closes =
		event_of(arena, "m.room.history_visibility", "", "{'history_visibility':'joined'}");
	struct visibility_facts facts =
		visibility_facts_of(&closes, me, VISIBILITY_WORLD_READABLE, MEMBERSHIP_NONE, false);
	assert_true(visibility_allows(&facts));
	const struct event opens =
		event_of(arena, "m.room.history_visibility", "", "{'history_visibility':'world_readable'}");
	facts = visibility_facts_of(&opens, me, VISIBILITY_JOINED, MEMBERSHIP_NONE, false);
	assert_true(visibility_allows(&facts));
	const struct event elsewhere = event_of(arena, "m.room.history_visibility", "x",
		"{'history_visibility':'world_readable'}");
	facts = visibility_facts_of(&elsewhere, me, VISIBILITY_JOINED, MEMBERSHIP_NONE, false);
	assert_false(visibility_allows(&facts));
	arena_destroy(arena);
}

static void sec_5_50__visibility_of_no_event_or_unknown_value__shared(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	assert_int_equal(visibility_of(NULL), VISIBILITY_SHARED);
	static const char *const odd[] = {"{}", "{'history_visibility':1}",
		"{'history_visibility':'all'}"};
	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		const struct event event = event_of(arena, "m.room.history_visibility", "", odd[i]);
		assert_int_equal(visibility_of(&event), VISIBILITY_SHARED);
	}
	static const char *const names[] = {[VISIBILITY_SHARED] = "shared",
		[VISIBILITY_INVITED] = "invited",
		[VISIBILITY_JOINED] = "joined",
		[VISIBILITY_WORLD_READABLE] = "world_readable"};
	for (size_t v = 0; v < COUNT_OF(names); v++) {
		assert_int_equal(visibility_parse(str_of(names[v])), v);
	}
	for (int m = MEMBERSHIP_INVITE; m <= MEMBERSHIP_BAN; m++) {
		assert_int_equal(membership_parse(membership_name((enum membership)m)), m);
	}
	assert_int_equal(membership_parse(STR("")), MEMBERSHIP_UNKNOWN);
	arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(visibility__all_facts__as_the_table),
		cmocka_unit_test(visibility__changed_by_the_event__either_side_counts),
		cmocka_unit_test(visibility_facts_of__own_join_and_leave__seen),
		cmocka_unit_test(visibility_facts_of__visibility_event__either_value_counts),
		cmocka_unit_test(sec_5_50__visibility_of_no_event_or_unknown_value__shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
