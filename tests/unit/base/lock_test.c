/*
 * Ranked locks: order is checked per thread in debug builds; conditions, deadlines, threads.
 */
#include "check.h"

#include "base/clock.h"
#include "base/lock.h"

static struct lock outer;
static struct lock inner;
static struct lock same;

static int set_up(void **state)
{
	(void)state;
	lock_init(&outer, RANK_ROOM);
	lock_init(&inner, RANK_CACHE);
	lock_init(&same, RANK_CACHE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lock_fini(&outer);
	lock_fini(&inner);
	lock_fini(&same);
	return 0;
}

static void take__rising_ranks__fine_in_any_order_of_giving(void **state)
{
	(void)state;
	lock_take(&outer);
	lock_take(&inner);
	lock_assert_held(&outer);
	lock_assert_held(&inner);
	lock_give(&outer);
	lock_assert_held(&inner);
	lock_give(&inner);
	lock_assert_none_held();
	{
		LOCK_SCOPE(&outer);
		lock_assert_held(&outer);
	}
	lock_assert_none_held();
}

#ifndef NDEBUG
static void take_falling(void *data)
{
	(void)data;
	lock_take(&inner);
	lock_take(&outer);
}

static void take_same_rank(void *data)
{
	(void)data;
	lock_take(&inner);
	lock_take(&same);
}

static void give_not_held(void *data)
{
	lock_give(data);
}

static void assert_held_when_not(void *data)
{
	lock_take(&same);
	lock_assert_held(data);
}

static void assert_none_when_held(void *data)
{
	lock_take(data);
	lock_assert_none_held();
}

static void take__out_of_order__ends_process(void **state)
{
	(void)state;
	assert_true(ends_process(take_falling, NULL));
	assert_true(ends_process(take_same_rank, NULL));
	assert_true(ends_process(give_not_held, &inner));
	assert_true(ends_process(assert_held_when_not, &inner));
	assert_true(ends_process(assert_none_when_held, &inner));
}
#endif

struct counter {
	struct lock lock;
	struct cond changed;
	int value; /* guarded by lock */
};

static void *count_to_1000(void *data)
{
	struct counter *counter = data;
	for (int i = 0; i < 1000; i++) {
		LOCK_SCOPE(&counter->lock);
		counter->value++;
		cond_signal(&counter->changed);
	}
	return NULL;
}

static void lock_and_cond__four_threads__nothing_lost(void **state)
{
	(void)state;
	struct counter counter = {0};
	lock_init(&counter.lock, RANK_LEAF);
	cond_init(&counter.changed);
	pthread_t threads[4];
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		threads[i] = thread_start("a-name-longer-than-fifteen", count_to_1000, &counter);
	}
	lock_take(&counter.lock);
	while (counter.value < 4000) {
		cond_wait(&counter.changed, &counter.lock);
		lock_assert_held(&counter.lock);
	}
	lock_give(&counter.lock);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		(void)pthread_join(threads[i], NULL);
	}
	assert_int_equal(counter.value, 4000);
	cond_fini(&counter.changed);
	lock_fini(&counter.lock);
}

static void cond_wait_until__deadline_passed__false(void **state)
{
	(void)state;
	struct cond cond;
	cond_init(&cond);
	struct clock clock = clock_os();
	lock_take(&outer);
	int64_t deadline_ms = clock_mono_ms(&clock) + 20;
	while (cond_wait_until(&cond, &outer, deadline_ms)) {
	}
	assert_true(clock_mono_ms(&clock) >= deadline_ms);
	assert_false(cond_wait_until(&cond, &outer, -5));
	lock_assert_held(&outer);
	lock_give(&outer);
	cond_broadcast(&cond);
	cond_fini(&cond);
}

static void *read_mask_and_name(void *data)
{
	sigset_t mask;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	*(bool *)data = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGHUP) == 1;
	return NULL;
}

static void thread_start__signals__blocked_there_not_here(void **state)
{
	(void)state;
	bool blocked = false;
	(void)pthread_join(thread_start("mask", read_mask_and_name, &blocked), NULL);
	assert_true(blocked);
	sigset_t mask;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take__rising_ranks__fine_in_any_order_of_giving),
#ifndef NDEBUG
		cmocka_unit_test(take__out_of_order__ends_process),
#endif
		cmocka_unit_test(lock_and_cond__four_threads__nothing_lost),
		cmocka_unit_test(cond_wait_until__deadline_passed__false),
		cmocka_unit_test(thread_start__signals__blocked_there_not_here),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
