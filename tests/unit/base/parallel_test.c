/*
 * parallel_for: each thing once, whatever the numbers.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/parallel.h"

enum { MOST = 10000 };

struct seen {
	_Atomic int times[MOST];
	_Atomic int parts;
	size_t grain;
	pthread_t caller;
	_Atomic int by_others;
	_Atomic int wrong;
};

static void see(void *data, size_t from, size_t to)
{
	struct seen *seen = data;
	/* Asserts belong to the test's own thread. */
	atomic_fetch_add(&seen->wrong, from >= to || to - from > seen->grain);
	atomic_fetch_add(&seen->parts, 1);
	if (!pthread_equal(pthread_self(), seen->caller)) {
		atomic_fetch_add(&seen->by_others, 1);
	}
	for (size_t i = from; i < to; i++) {
		atomic_fetch_add(&seen->times[i], 1);
	}
}

static void parallel_for__any_count_and_grain__each_thing_once(void **state)
{
	(void)state;
	static const size_t counts[] = {0, 1, 2, 7, 64, 100, 1000, MOST};
	static const size_t grains[] = {1, 3, 64, 5000, MOST, (size_t)3 * MOST};
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		for (size_t j = 0; j < COUNT_OF(grains); j++) {
			static struct seen seen;
			seen = (struct seen){.grain = grains[j], .caller = pthread_self()};
			parallel_for(counts[i], grains[j], see, &seen);
			for (size_t k = 0; k < MOST; k++) {
				assert_int_equal(seen.times[k], k < counts[i] ? 1 : 0);
			}
			assert_int_equal(seen.wrong, 0);
			assert_int_equal(seen.parts, (counts[i] + grains[j] - 1) / grains[j]);
		}
	}
}

static void parallel_for__one_part__by_the_caller_alone(void **state)
{
	(void)state;
	static struct seen seen;
	seen = (struct seen){.grain = 100, .caller = pthread_self()};
	parallel_for(150, 100, see, &seen);
	assert_int_equal(seen.by_others, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parallel_for__any_count_and_grain__each_thing_once),
		cmocka_unit_test(parallel_for__one_part__by_the_caller_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
