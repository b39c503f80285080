/*
 * Stages, flows and what a session is bound to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/account/uia.h"

static void stages__text__there_and_back(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (unsigned stages = 0; stages < 1U << UIA_STAGE_COUNT; stages++) {
		assert_int_equal(uia_stages_parse(uia_stages_text(arena, stages)), stages);
	}
	assert_int_equal(uia_stages_parse(STR("m.login.nothing m.login.dummy")), 1U << UIA_DUMMY);
	assert_int_equal(uia_stages_parse(STR("")), 0);
}

static void flows__completed__only_whole_ones(void **state)
{
	(void)state;
	static const struct uia_flow flows[] = {
		{.stages = {UIA_DUMMY, UIA_REGISTRATION_TOKEN}, .count = 2},
		{.stages = {UIA_PASSWORD}, .count = 1},
	};
	struct uia_flows both = {.flows = flows, .count = 2};
	struct uia_flows first = {.flows = flows, .count = 1};
	assert_false(uia_is_complete(&both, 0));
	assert_false(uia_is_complete(&both, 1U << UIA_DUMMY));
	assert_true(uia_is_complete(&both, 1U << UIA_DUMMY | 1U << UIA_REGISTRATION_TOKEN));
	assert_true(uia_is_complete(&both, 1U << UIA_PASSWORD));
	assert_false(uia_is_complete(&first, 1U << UIA_PASSWORD));
	assert_false(uia_has_stage(&first, UIA_PASSWORD));
	assert_true(uia_has_stage(&both, UIA_PASSWORD));
	assert_false(uia_is_complete(&uia_flows_password, 1U << UIA_DUMMY));
	assert_false(uia_has_stage(&uia_flows_password, UIA_DUMMY));
	assert_false(uia_has_stage(&uia_flows_reset, UIA_DUMMY));
}

static void flows__stages__in_order_only(void **state)
{
	(void)state;
	static const struct uia_flow flows[] = {
		{.stages = {UIA_REGISTRATION_TOKEN, UIA_DUMMY}, .count = 2},
		{.stages = {UIA_REGISTRATION_TOKEN, UIA_PASSWORD}, .count = 2},
	};
	struct uia_flows both = {.flows = flows, .count = 2};
	const unsigned token = 1U << UIA_REGISTRATION_TOKEN;
	assert_true(uia_is_next(&both, 0, UIA_REGISTRATION_TOKEN));
	assert_false(uia_is_next(&both, 0, UIA_DUMMY));
	assert_false(uia_is_next(&both, 0, UIA_PASSWORD));
	assert_true(uia_is_next(&both, token, UIA_DUMMY));
	assert_true(uia_is_next(&both, token, UIA_PASSWORD));
	assert_false(uia_is_next(&both, token, UIA_REGISTRATION_TOKEN));
	assert_false(uia_is_next(&uia_flows_password, 1U << UIA_PASSWORD, UIA_PASSWORD));
}

static struct str bind(struct arena *arena, const char *method, const char *path, const char *text)
{
	struct json body;
	assert_int_equal(json_parse(arena, str_of(text), NULL, &body, NULL), JSON_OK);
	return uia_binding(arena, str_of(method), str_of(path), &body);
}

static void binding__auth_and_order_of_keys__do_not_count(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str first = bind(arena, "POST", "/x", "{\"a\":1,\"b\":[\"c\"]}");
	assert_true(
		str_equals(first, bind(arena, "POST", "/x", "{ \"b\": [\"c\"], \"auth\": {}, \"a\": 1}")));
}

static void binding__anything_else__counts(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str first = bind(arena, "POST", "/x", "{\"a\":1}");
	assert_false(str_equals(first, bind(arena, "DELETE", "/x", "{\"a\":1}")));
	assert_false(str_equals(first, bind(arena, "POST", "/y", "{\"a\":1}")));
	assert_false(str_equals(first, bind(arena, "POST", "/x", "{\"a\":2}")));
	assert_false(str_equals(first, bind(arena, "POST", "/x", "{\"a\":1,\"b\":1}")));
	assert_false(str_equals(first, bind(arena, "POST", "/x", "{\"a\":{\"auth\":1}}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages__text__there_and_back),
		cmocka_unit_test(flows__stages__in_order_only),
		cmocka_unit_test(flows__completed__only_whole_ones),
		cmocka_unit_test(binding__auth_and_order_of_keys__do_not_count),
		cmocka_unit_test(binding__anything_else__counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
