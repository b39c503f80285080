/*
 * Fault points: which passing fails. The list is read at the first use, so main() sets it.
 */
#include "check.h"

#include "base/fault_point.h"

#ifndef NDEBUG
static void hit__named_alone__every_time(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(FAULT_POINT("test.always"));
	}
}

static void hit__named_with_number__that_passing_only(void **state)
{
	(void)state;
	assert_false(FAULT_POINT("test.second"));
	assert_true(FAULT_POINT("test.second"));
	assert_false(FAULT_POINT("test.second"));
}

static void hit__two_numbers__both_passings(void **state)
{
	(void)state;
	assert_true(FAULT_POINT("test.both"));
	assert_false(FAULT_POINT("test.both"));
	assert_true(FAULT_POINT("test.both"));
	assert_false(FAULT_POINT("test.both"));
}

static void hit__not_named_or_malformed__never(void **state)
{
	(void)state;
	assert_false(FAULT_POINT("test.other"));
	assert_false(FAULT_POINT("test.wrong"));
	assert_false(FAULT_POINT("test.zero"));
}
#else
static void hit__release_build__never(void **state)
{
	(void)state;
	assert_false(FAULT_POINT("test.always"));
}
#endif

int main(void)
{
	(void)setenv("BELFRY_FAULTS",
		"test.always, test.second:2,test.both:1,test.both:3,test.wrong:x,test.zero:0,", 1);
	const struct CMUnitTest tests[] = {
#ifndef NDEBUG
		cmocka_unit_test(hit__named_alone__every_time),
		cmocka_unit_test(hit__named_with_number__that_passing_only),
		cmocka_unit_test(hit__two_numbers__both_passings),
		cmocka_unit_test(hit__not_named_or_malformed__never),
#else
		cmocka_unit_test(hit__release_build__never),
#endif
	};
	return RUN_ALL(tests);
}
