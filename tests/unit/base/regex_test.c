/*
 * Expressions of others: what they match, what is none, and that none is slow.
 */
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/cpu_time.h"

static bool matches(const char *pattern, const char *text)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *problem = NULL;
	const struct regex *regex = regex_create(arena, str_of(pattern), &problem);
	assert_non_null(regex);
	return regex_matches_start(regex, str_of(text));
}

static void regex__text__matched_from_its_start(void **state)
{
	(void)state;
	assert_true(matches("@_irc_.*", "@_irc_lin:hs"));
	assert_true(matches("@_irc_", "@_irc_lin:hs")); /* the end need not be reached */
	assert_false(matches("_irc_", "@_irc_lin:hs"));
	assert_false(matches("@_irc_.*", "x@_irc_lin:hs"));
	assert_true(matches("^@lin:hs$", "@lin:hs"));
	assert_false(matches("^@lin:hs$", "@lin:hs2"));
	assert_true(matches("", ""));
	assert_true(matches("@林.", "@林:"));
	assert_false(matches("@.:", "@\xff:")); /* no UTF-8 */
}

static void regex__none__says_why(void **state)
{
	static const char *const wrong[] = {"(", "[a", "a**(", "\\C", "(?<n", "\xff",
		"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a"};
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		const char *problem = NULL;
		assert_null(regex_create(arena, str_of(wrong[i]), &problem));
		assert_non_null(problem);
		assert_true(str_of(problem).n > 0);
	}
}

static void regex__too_long__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char *text = arena_alloc(arena, REGEX_MAX_BYTES + 1);
	for (size_t i = 0; i <= REGEX_MAX_BYTES; i++) {
		text[i] = 'a';
	}
	const char *problem = NULL;
	assert_non_null(regex_create(arena, str_from(text, REGEX_MAX_BYTES), &problem));
	assert_null(regex_create(arena, str_from(text, REGEX_MAX_BYTES + 1), &problem));
}

static void regex__exponential__ends_soon_and_matches_nothing(void **state)
{
	(void)state;
	int64_t start_us = cpu_time_us();
	assert_false(
		matches("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
	assert_false(
		matches("(.*)*(.*)*(.*)*x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	assert_true(cpu_time_us() - start_us < 5000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regex__text__matched_from_its_start),
		cmocka_unit_test(regex__none__says_why),
		cmocka_unit_test(regex__too_long__refused),
		cmocka_unit_test(regex__exponential__ends_soon_and_matches_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
