/*
 * Clocks: the machine's, and one that a test decides.
 */
#include "check.h"

#include <time.h>

#include "base/clock.h"

static int64_t fixed(void *self)
{
	return *(int64_t *)self;
}

static void clock__of_a_test__says_what_it_is_told(void **state)
{
	(void)state;
	int64_t now = 1234567890123;
	struct clock clock = {.wall_ms = fixed, .mono_ms = fixed, .about_ms = fixed, .self = &now};
	assert_true(clock_wall_ms(&clock) == 1234567890123);
	now++;
	assert_true(clock_mono_ms(&clock) == 1234567890124);
	assert_true(clock_about_ms(&clock) == 1234567890124);
}

static void clock__of_the_machine__plausible(void **state)
{
	(void)state;
	struct clock clock = clock_os();
	int64_t wall_s = clock_wall_ms(&clock) / 1000;
	int64_t now_s = (int64_t)time(NULL);
	assert_true(wall_s >= now_s - 2 && wall_s <= now_s + 2);
	int64_t first_us = clock_mono_us();
	int64_t mono_ms = clock_mono_ms(&clock);
	int64_t second_us = clock_mono_us();
	assert_true(first_us / 1000 <= mono_ms && mono_ms <= second_us / 1000);
	int64_t before_ms = clock_mono_ms(&clock);
	int64_t about_ms = clock_about_ms(&clock);
	assert_true(before_ms - 10000 <= about_ms && about_ms <= clock_mono_ms(&clock));
	clock_os_pause(2);
	assert_true(clock_mono_us() >= second_us + 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock__of_a_test__says_what_it_is_told),
		cmocka_unit_test(clock__of_the_machine__plausible),
	};
	return RUN_ALL(tests);
}
