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

static void left__clock_goes_on__until_it_is_over(void **state)
{
	(void)state;
	assert_int_equal(backoff_left_ms(7000, 5000, 2000), 2000);
	assert_int_equal(backoff_left_ms(7000, 6999, 2000), 1);
	assert_int_equal(backoff_left_ms(7000, 7000, 2000), 0);
	assert_int_equal(backoff_left_ms(7000, 90000, 2000), 0);
	assert_int_equal(backoff_left_ms(0, 90000, 0), 0);
}

static void left__clock_was_set_back__over_when_no_pause_lasts_so_long(void **state)
{
	(void)state;
	assert_int_equal(backoff_left_ms(7000, 4600, 2000), 2400); /* chance may have added a fifth */
	assert_int_equal(backoff_left_ms(7000, 4599, 2000), 0);
	assert_int_equal(backoff_left_ms(INT64_MAX / 2, 0, 2000), 0);
	assert_int_equal(backoff_left_ms(7000, 4599, 60000), 2401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interval__failures_in_a_row__doubles_up_to_the_longest),
		cmocka_unit_test(interval__first_one_was_raised_meanwhile__not_below_it),
		cmocka_unit_test(pause__any_chance__a_fifth_more_at_most),
		cmocka_unit_test(left__clock_goes_on__until_it_is_over),
		cmocka_unit_test(left__clock_was_set_back__over_when_no_pause_lasts_so_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
