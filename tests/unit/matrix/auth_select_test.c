/*
 * Which state goes into auth_events, and how join rules are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "matrix/auth.h"
#include "matrix/join_rule.h"
#include "tests/support/room_builder.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* "type|key type|key …" of what is selected. */
static const char *selected(const char *version, const char *type, const char *key,
	const char *content)
{
	struct auth_key *keys;
	const size_t n =
		auth_select(arena, room_version_find(str_of(version)), str_of(type), key != NULL,
			str_of(key), (struct user_id){STR("@s:a")}, made_room_json(arena, content), &keys);
	const char *text = "";
	for (size_t i = 0; i < n; i++) {
		text = arena_printf(arena, "%s%s%.*s|%.*s", text, i > 0 ? " " : "", STR_ARG(keys[i].type),
			STR_ARG(keys[i].state_key));
	}
	return text;
}

#define USUAL "m.room.create| m.room.power_levels| m.room.member|@s:a"
#define USUAL_12 "m.room.power_levels| m.room.member|@s:a"

static void auth_select__plain_event__create_levels_sender(void **state)
{
	(void)state;
	assert_string_equal(selected("1", "m.room.message", NULL, "{}"), USUAL);
	assert_string_equal(selected("11", "m.room.name", "", "{}"), USUAL);
	assert_string_equal(selected("12", "m.room.message", NULL, "{}"), USUAL_12);
	assert_string_equal(selected("12", "m.room.create", "", "{}"), "");
	assert_string_equal(selected("1", "m.room.create", "", "{}"), "");
	assert_string_equal(selected("6", "m.room.member", NULL, "{'membership':'join'}"), USUAL);
}

static void auth_select__membership__target_and_join_rules(void **state)
{
	(void)state;
	assert_string_equal(selected("6", "m.room.member", "@s:a", "{'membership':'join'}"),
		USUAL " m.room.join_rules|");
	assert_string_equal(selected("7", "m.room.member", "@s:a", "{'membership':'knock'}"),
		USUAL " m.room.join_rules|");
	assert_string_equal(selected("12", "m.room.member", "@t:b", "{'membership':'invite'}"),
		USUAL_12 " m.room.member|@t:b m.room.join_rules|");
	assert_string_equal(selected("12", "m.room.member", "@t:b", "{'membership':'ban'}"),
		USUAL_12 " m.room.member|@t:b");
	assert_string_equal(selected("12", "m.room.member", "@t:b", "{'membership':'leave'}"),
		USUAL_12 " m.room.member|@t:b");
	assert_string_equal(selected("12", "m.room.member", "@t:b", "{'membership':7}"),
		USUAL_12 " m.room.member|@t:b");
}

static void auth_select__third_party_and_authoriser__named(void **state)
{
	(void)state;
	const char *third = "{'membership':'invite','third_party_invite':{'signed':{'token':'T'}}}";
	assert_string_equal(selected("5", "m.room.member", "@t:b", third),
		USUAL " m.room.member|@t:b m.room.join_rules| m.room.third_party_invite|T");
	const char *join = "{'membership':'join','join_authorised_via_users_server':'@u:c'}";
	assert_string_equal(selected("7", "m.room.member", "@s:a", join), USUAL " m.room.join_rules|");
	assert_string_equal(selected("8", "m.room.member", "@s:a", join),
		USUAL " m.room.join_rules| m.room.member|@u:c");
	const char *invite = "{'membership':'invite','join_authorised_via_users_server':'@u:c'}";
	assert_string_equal(selected("8", "m.room.member", "@t:b", invite),
		USUAL " m.room.member|@t:b m.room.join_rules|");
}

static enum join_rule rule_in(const char *version, const char *content)
{
	const struct event event = {.content = made_room_json(arena, content)};
	return join_rule_of(room_version_find(str_of(version)), &event);
}

static void join_rule__words__known_to_their_versions(void **state)
{
	(void)state;
	assert_int_equal(join_rule_of(room_version_find(STR("1")), NULL), JOIN_RULE_INVITE);
	assert_int_equal(rule_in("1", "{}"), JOIN_RULE_INVITE);
	assert_int_equal(rule_in("1", "{'join_rule':'public'}"), JOIN_RULE_PUBLIC);
	assert_int_equal(rule_in("1", "{'join_rule':1}"), JOIN_RULE_OTHER);
	assert_int_equal(rule_in("6", "{'join_rule':'knock'}"), JOIN_RULE_OTHER);
	assert_int_equal(rule_in("7", "{'join_rule':'knock'}"), JOIN_RULE_KNOCK);
	assert_int_equal(rule_in("7", "{'join_rule':'restricted'}"), JOIN_RULE_OTHER);
	assert_int_equal(rule_in("8", "{'join_rule':'restricted'}"), JOIN_RULE_RESTRICTED);
	assert_int_equal(rule_in("9", "{'join_rule':'knock_restricted'}"), JOIN_RULE_OTHER);
	assert_int_equal(rule_in("10", "{'join_rule':'knock_restricted'}"), JOIN_RULE_KNOCK_RESTRICTED);
}

static void join_rule_allowed_rooms__malformed_conditions__left_out(void **state)
{
	(void)state;
	const struct event event = {
		.content = made_room_json(arena,
			"{'allow':[{'type':'m.room_membership','room_id':'!a:b'},7,{'type':'x','room_id':'!c:d'},"
			"{'type':'m.room_membership'},{'type':'m.room_membership','room_id':'no'},"
			"{'type':'m.room_membership','room_id':'!e:f'}]}")};
	struct room_id *rooms;
	assert_int_equal(join_rule_allowed_rooms(arena, &event, &rooms), 2);
	assert_true(str_equals(rooms[0].s, STR("!a:b")));
	assert_true(str_equals(rooms[1].s, STR("!e:f")));
	assert_int_equal(join_rule_allowed_rooms(arena, NULL, &rooms), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auth_select__plain_event__create_levels_sender),
		cmocka_unit_test(auth_select__membership__target_and_join_rules),
		cmocka_unit_test(auth_select__third_party_and_authoriser__named),
		cmocka_unit_test(join_rule__words__known_to_their_versions),
		cmocka_unit_test(join_rule_allowed_rooms__malformed_conditions__left_out),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
