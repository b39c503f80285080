#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/show.h"

static void text__control_characters__are_spaces(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str shown = show_text(arena, STR("a\033[31mb\nc\x7f\0d\xe5\xad\xb8"));
	assert_true(str_equals(shown, STR("a [31mb c  d\xe5\xad\xb8")));
	assert_int_equal(show_text(arena, (struct str){0}).n, 0);
}

static void text__c1_direction_and_no_utf8__are_spaces(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str shown = show_text(arena,
		STR("a\xc2\x9b"
			"31m\xc2\x85"
			"b\xe2\x80\xae\xe2\x80\xac"
			"c\xe2\x81\xa6\xe2\x81\xa9"
			"d\x9b"
			"e\xe5\xad"));
	assert_true(str_equals(shown, STR("a 31m b  c  d e  ")));
	struct str good = STR("\xc2\xa0\xef\xbf\xbd\xe5\xad\xb8");
	assert_true(str_equals(show_text(arena, good), good));
}

static void time__moments__utc_or_a_dash(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_string_equal(show_time(arena, 1795689360000), "2026-11-26 10:36 UTC");
	assert_string_equal(show_time(arena, 0), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text__control_characters__are_spaces),
		cmocka_unit_test(text__c1_direction_and_no_utf8__are_spaces),
		cmocka_unit_test(time__moments__utc_or_a_dash),
	};
	return cmocka_run_group_tests_name("show", tests, NULL, NULL);
}
