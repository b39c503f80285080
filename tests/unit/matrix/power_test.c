/*
 * Levels: every shape of a value in lenient and strict versions, defaults, and who is a creator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "matrix/power.h"
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

static const struct room_version *version_of(const char *id)
{
	return room_version_find(str_of(id));
}

/* A level, or `refused` for what is none. */
enum { REFUSED = -777 };

static int64_t parsed(const char *version, const char *json)
{
	int64_t level = REFUSED;
	const bool is_level =
		power_value_parse(version_of(version), made_room_json(arena, json), &level);
	assert_true(is_level || level == REFUSED);
	return level;
}

static void sec_5_4__power_value_strings__as_the_version_allows(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int64_t lenient;
	} cases[] = {
		{"'50'", 50},
		{"'000100'", 100},
		{"'+100'", 100},
		{"'-100'", -100},
		{"' 100 '", 100},
		{"' 00100 '", 100},
		{"' +100 '", 100},
		{"' -100 '", -100},
		{"'\\t7\\n'", 7},
		{"'0'", 0},
		{"'-0'", 0},
		{"''", REFUSED},
		{"' '", REFUSED},
		{"'+'", REFUSED},
		{"'-'", REFUSED},
		{"'+-1'", REFUSED},
		{"'- 1'", REFUSED},
		{"'1.0'", REFUSED},
		{"'1e1'", REFUSED},
		{"'0x10'", REFUSED},
		{"'1_0'", REFUSED},
		{"'1 0'", REFUSED},
		{"'ten'", REFUSED},
		{"'1\\u0000'", REFUSED},
		{"'9223372036854775806'", INT64_MAX - 1},
		{"'9223372036854775807'", INT64_MAX - 1},
		{"'99999999999999999999999'", INT64_MAX - 1},
		{"'-99999999999999999999999'", -(INT64_MAX - 1)},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(parsed("1", cases[i].json), cases[i].lenient);
		assert_int_equal(parsed("9", cases[i].json), cases[i].lenient);
		assert_int_equal(parsed("10", cases[i].json), REFUSED);
		assert_int_equal(parsed("12", cases[i].json), REFUSED);
	}
}

static void sec_5_4__power_value_numbers__truncated_where_allowed(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int64_t lenient;
	} cases[] = {
		{"50.57", 50},
		{"-50.57", -50},
		{"5.114698E4", 51146},
		{"5.114698e+4", 51146},
		{"51146.98e-3", 51},
		{"0.99999999999999999999", 0},
		{"1e0", 1},
		{"0e400", 0},
		{"0.0", 0},
		{"0.05e2", 5},
		{"0.05e1", 0},
		{"100e-1", 10},
		{"1e-400", 0},
		{"1e18", 1000000000000000000},
		{"1e19", INT64_MAX - 1},
		{"-1e19", -(INT64_MAX - 1)},
		{"99999999999999999999", INT64_MAX - 1},
		{"1.7976931348623157e308", INT64_MAX - 1},
		{"1.7976931348623159e308", REFUSED},
		{"179769313486231580793e288", REFUSED},
		{"179769313486231580792e288", INT64_MAX - 1},
		{"1e309", REFUSED},
		{"-1e309", REFUSED},
		{"1e99999999999999999999", REFUSED},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(parsed("1", cases[i].json), cases[i].lenient);
		assert_int_equal(parsed("5", cases[i].json), cases[i].lenient);
		assert_int_equal(parsed("6", cases[i].json), REFUSED);
	}
}

static void sec_5_4__power_value_other_types__refused(void **state)
{
	(void)state;
	static const char *const others[] = {"null", "true", "[]", "{}", "[1]"};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_int_equal(parsed("1", others[i]), REFUSED);
		assert_int_equal(parsed("12", others[i]), REFUSED);
	}
	assert_int_equal(parsed("12", "-5"), -5);
	assert_int_equal(parsed("1", "9223372036854775807"), INT64_MAX - 1);
	int64_t level;
	assert_false(power_value_parse(version_of("1"), NULL, &level));
}

static void power_levels_are_plain__whole_contents__integers_of_canonical_json(void **state)
{
	(void)state;
	static const char *const plain[] = {"{}", "{'ban':0,'x':'50','events':{'a':-1},'users':{}}",
		"{'users':[],'events':'no object: the rules say so'}",
		"{'users_default':9007199254740991,'invite':-9007199254740991}"};
	static const char *const others[] = {"{'ban':'50'}", "{'kick':50.5}", "{'redact':null}",
		"{'invite':9007199254740992}", "{'state_default':-9007199254740992}",
		"{'events_default':{}}", "{'users_default':'0'}", "{'events':{'a':1,'b':'1'}}",
		"{'users':{'@a:b':'100'}}", "{'notifications':{'room':'20'}}"};
	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		assert_true(power_levels_are_plain(made_room_json(arena, plain[i])));
	}
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_false(power_levels_are_plain(made_room_json(arena, others[i])));
	}
}

/* Levels from contents of events that need not be whole. */
static struct power power_from(const char *version, const char *create, const char *levels)
{
	static struct event events[2];
	events[0] = (struct event){
		.sender = {STR("@alice:a.example")},
		.content = made_room_json(arena, create),
	};
	events[1] = (struct event){.content = levels != NULL ? made_room_json(arena, levels) : NULL};
	return power_of_events(version_of(version), &events[0], levels != NULL ? &events[1] : NULL);
}

static void power_level_of__no_power_levels__creator_has_100(void **state)
{
	(void)state;
	struct power power = power_from("1", "{'creator':'@bob:b.example'}", NULL);
	assert_int_equal(power_level_of(&power, STR("@bob:b.example")), 100);
	assert_int_equal(power_level_of(&power, STR("@alice:a.example")), 0);
	power = power_from("11", "{'creator':'@bob:b.example'}", NULL);
	assert_int_equal(power_level_of(&power, STR("@bob:b.example")), 0);
	assert_int_equal(power_level_of(&power, STR("@alice:a.example")), 100);
	assert_int_equal(power_level_for(&power, POWER_BAN), 50);
	assert_int_equal(power_level_for(&power, POWER_KICK), 50);
	assert_int_equal(power_level_for(&power, POWER_REDACT), 50);
	assert_int_equal(power_level_for(&power, POWER_INVITE), 0);
	assert_int_equal(power_level_to_send(&power, STR("m.room.message"), false), 0);
	assert_int_equal(power_level_to_send(&power, STR("m.room.name"), true), 50);
	power = power_of_events(version_of("11"), NULL, NULL);
	assert_int_equal(power_level_of(&power, STR("@alice:a.example")), 0);
}

static void power_level_of__power_levels__users_then_default(void **state)
{
	(void)state;
	const struct power power = power_from("9", "{'creator':'@alice:a.example'}",
		"{'users':{'@bob:b.example':'50','@bad:b.example':'x'},'users_default':5,'ban':{},"
		"'events':{'m.room.name':60,'x':null},'events_default':'7','state_default':8,"
		"'kick':1,'redact':2,'invite':3}");
	assert_int_equal(power_level_of(&power, STR("@bob:b.example")), 50);
	assert_int_equal(power_level_of(&power, STR("@alice:a.example")), 5);
	assert_int_equal(power_level_of(&power, STR("@bad:b.example")), 5);
	assert_int_equal(power_level_for(&power, POWER_BAN), 50);
	assert_int_equal(power_level_for(&power, POWER_KICK), 1);
	assert_int_equal(power_level_for(&power, POWER_REDACT), 2);
	assert_int_equal(power_level_for(&power, POWER_INVITE), 3);
	assert_int_equal(power_level_to_send(&power, STR("m.room.name"), true), 60);
	assert_int_equal(power_level_to_send(&power, STR("x"), true), 8);
	assert_int_equal(power_level_to_send(&power, STR("y"), false), 7);
}

static void sec_5_2__power_of_privileged_creators__infinite(void **state)
{
	(void)state;
	const char *create = "{'additional_creators':['@bob:b.example',3]}";
	const struct power power =
		power_from("12", create, "{'users':{'@carol:c.example':100},'users_default':1}");
	assert_true(power_level_of(&power, STR("@alice:a.example")) == POWER_INFINITE);
	assert_true(power_level_of(&power, STR("@bob:b.example")) == POWER_INFINITE);
	assert_int_equal(power_level_of(&power, STR("@carol:c.example")), 100);
	assert_int_equal(power_level_of(&power, STR("@dave:d.example")), 1);
	assert_true(power_names_creator(&power, STR("@bob:b.example")));
	const struct power before = power_from("11", create, NULL);
	assert_false(power_names_creator(&before, STR("@bob:b.example")));
	assert_int_equal(power_level_of(&before, STR("@bob:b.example")), 0);
}

static void power_of_user__whole_room__read_from_state(void **state)
{
	(void)state;
	struct room_builder room;
	made_room_builder_init(&room, arena, "12");
	made_room_add_create(&room, "@alice:a.example", NULL);
	made_room_add_member(&room, "@alice:a.example", "@alice:a.example", "join");
	const struct state_view view = state_map_view(&room.state);
	const struct user_id alice = {STR("@alice:a.example")};
	const struct user_id bob = {STR("@bob:b.example")};
	assert_true(power_of_user(room.version, &view, alice) == POWER_INFINITE);
	assert_int_equal(power_for_notification(room.version, &view, STR("room")), 50);
	made_room_add_state(&room, "@alice:a.example", "m.room.power_levels",
		"{'users':{'@bob:b.example':9},'notifications':{'room':20},'ban':33,"
		"'events':{'m.room.name':44}}");
	assert_int_equal(power_of_user(room.version, &view, bob), 9);
	assert_int_equal(power_for_notification(room.version, &view, STR("room")), 20);
	assert_int_equal(power_for_notification(room.version, &view, STR("other")), 50);
	assert_int_equal(power_for_action(room.version, &view, POWER_BAN), 33);
	assert_int_equal(power_for_state(room.version, &view, STR("m.room.name")), 44);
	assert_true(power_is_creator(room.version, &view, alice));
	assert_false(power_is_creator(room.version, &view, bob));
	made_room_builder_fini(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sec_5_4__power_value_strings__as_the_version_allows),
		cmocka_unit_test(sec_5_4__power_value_numbers__truncated_where_allowed),
		cmocka_unit_test(sec_5_4__power_value_other_types__refused),
		cmocka_unit_test(power_levels_are_plain__whole_contents__integers_of_canonical_json),
		cmocka_unit_test(power_level_of__no_power_levels__creator_has_100),
		cmocka_unit_test(power_level_of__power_levels__users_then_default),
		cmocka_unit_test(sec_5_2__power_of_privileged_creators__infinite),
		cmocka_unit_test(power_of_user__whole_room__read_from_state),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
