/*
 * Pauses after failures.
 */
#include "check.h"

#include "base/backoff.h"

static void interval__failures_in_a_row__doubles_up_to_the_longest(void **state)
{
	(void)state;
	assert_int_equal(backoff_interval_ms(0, 5000, 60000), 5000);
	assert_int_equal(backoff_interval_ms(5000, 5000, 60000), 10000);
	assert_int_equal(backoff_interval_ms(20000, 5000, 60000), 40000);
	assert_int_equal(backoff_interval_ms(40000, 5000, 60000), 60000);
	assert_int_equal(backoff_interval_ms(60000, 5000, 60000), 60000);
	assert_int_equal(backoff_interval_ms(INT64_MAX, 5000, 60000), 60000);
}

static void interval__first_one_was_raised_meanwhile__not_below_it(void **state)
{
	(void)state;
	assert_int_equal(backoff_interval_ms(100, 5000, 60000), 5000);
}

static void pause__any_chance__a_fifth_more_at_most(void **state)
{
	(void)state;
	assert_int_equal(backoff_pause_ms(1000, 0), 1000);
	assert_int_equal(backoff_pause_ms(1000, 200), 1200);
	assert_int_equal(backoff_pause_ms(1000, 201), 1000);
	assert_in_range(backoff_pause_ms(1000, UINT64_MAX), 1000, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interval__failures_in_a_row__doubles_up_to_the_longest),
		cmocka_unit_test(interval__first_one_was_raised_meanwhile__not_below_it),
		cmocka_unit_test(pause__any_chance__a_fifth_more_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
