/*
 * Token buckets; time is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "base/arena.h"
#include "http/rate.h"

static const int64_t start_us = 1000000000;

static struct rate_table *table_of(double per_second, int64_t burst)
{
	struct rate_class classes[RATE_CLASS_COUNT] = {
		[RATE_MESSAGE] = {.per_second = per_second, .burst = burst},
		[RATE_LOGIN] = {.per_second = per_second, .burst = 1}};
	return rate_create(classes);
}

static void bucket__burst_used_up__refills_at_its_rate(void **state)
{
	(void)state;
	struct rate_table *table = table_of(10, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us), 0);
	}
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us), 100);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us + 40000), 60);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us + 100000), 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us + 100000), 100);
	int64_t later_us = start_us + 10000000;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, later_us), 0);
	}
	assert_true(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, later_us) > 0);
	rate_destroy(table);
}

static void bucket__several_tokens__all_or_none(void **state)
{
	(void)state;
	struct rate_table *table = table_of(10, 5);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 4, start_us), 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 2, start_us), 100);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us), 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 5, start_us), 500);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 5, start_us + 500000), 0);
	rate_destroy(table);
}

static void bucket__more_tokens_than_it_holds__a_full_one(void **state)
{
	(void)state;
	struct rate_table *table = table_of(10, 5);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us), 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 6000, start_us), 100);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 6000, start_us + 100000), 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us + 100000), 100);
	rate_destroy(table);
}

/* As a request: one when it comes, the rest when it is known what it costs. */
static int64_t take_in_two(struct rate_table *table, size_t more, int64_t now_us)
{
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, now_us), 0);
	return rate_take_more(table, RATE_MESSAGE, STR("@a:hs"), more, now_us);
}

static void bucket__more_after_the_first__there_when_it_was_said(void **state)
{
	(void)state;
	struct rate_table *table = table_of(10, 5);
	assert_int_equal(take_in_two(table, 0, start_us), 0);
	assert_int_equal(take_in_two(table, 1, start_us), 0);
	assert_int_equal(take_in_two(table, 3, start_us),
		300); /* one is left; what came is charged again */
	assert_int_equal(take_in_two(table, 3, start_us + 300000), 0);
	assert_int_equal(take_in_two(table, 6000, start_us + 800000), 0);
	assert_int_equal(take_in_two(table, 6000, start_us + 900000), 500);
	assert_int_equal(take_in_two(table, 6000, start_us + 1400000), 0);
	assert_true(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us + 1400000) > 0);
	rate_destroy(table);
}

static void bucket__keys_and_classes__are_apart(void **state)
{
	(void)state;
	struct rate_table *table = table_of(1, 1);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us), 0);
	assert_true(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us) > 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@b:hs"), 1, start_us), 0);
	assert_int_equal(rate_take(table, RATE_LOGIN, STR("@a:hs"), 1, start_us), 0);
	rate_destroy(table);
}

static void bucket__no_key_or_no_rate__exempt(void **state)
{
	(void)state;
	struct rate_table *table = table_of(1, 1);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(rate_take(table, RATE_MESSAGE, STR(""), 1, start_us), 0);
		assert_int_equal(rate_take(table, RATE_READ, STR("@a:hs"), 1, start_us), 0);
		assert_int_equal(rate_take(table, RATE_NONE, STR("@a:hs"), 1, start_us), 0);
	}
	rate_destroy(table);
}

static void table__flood_of_keys__stays_bounded_and_keeps_the_busy_one(void **state)
{
	(void)state;
	struct rate_table *table = table_of(0.001, 2);
	struct arena *arena = arena_create();
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("busy"), 1, start_us), 0);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("busy"), 1, start_us), 0);
	assert_true(rate_take(table, RATE_MESSAGE, STR("busy"), 1, start_us) > 0);
	for (int i = 0; i < 200000; i++) {
		/* One token each: those are full again before the busy one is. */
		struct str key = str_printf(arena, "k%d", i);
		(void)rate_take(table, RATE_MESSAGE, key, 1, start_us);
		if (i % 1000 == 0) {
			arena_reset(arena);
		}
	}
	assert_true(rate_take(table, RATE_MESSAGE, STR("busy"), 1, start_us) > 0);
	arena_destroy(arena);
	rate_destroy(table);
}

static void bucket__token_given_back__there_again(void **state)
{
	(void)state;
	struct rate_table *table = table_of(1, 2);
	rate_give(table, RATE_MESSAGE, STR("@a:hs"), start_us); /* nothing was taken */
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 2, start_us), 0);
	assert_true(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us) > 0);
	rate_give(table, RATE_MESSAGE, STR("@a:hs"), start_us);
	assert_int_equal(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us), 0);
	assert_true(rate_take(table, RATE_MESSAGE, STR("@a:hs"), 1, start_us) > 0);
	rate_destroy(table);
}

static void bucket__two_processes__each_gives_out_half(void **state)
{
	(void)state;
	struct rate_table *first = table_of(10, 5);
	struct rate_table *second = table_of(10, 5);
	rate_share(first, 2);
	rate_share(second, 2);
	int taken = 0;
	for (int64_t at_us = start_us; at_us < start_us + 100 * INT64_C(1000000); at_us += 10000) {
		taken += rate_take(first, RATE_MESSAGE, STR("@a:hs"), 1, at_us) == 0;
		taken += rate_take(second, RATE_MESSAGE, STR("@a:hs"), 1, at_us) == 0;
	}
	assert_in_range(taken, 1000, 1006); /* 10 a second; 3 at once at each */
	int64_t later_us = start_us + 200 * INT64_C(1000000);
	assert_int_equal(rate_take(first, RATE_MESSAGE, STR("@a:hs"), 5, later_us), 0);
	assert_true(rate_take(first, RATE_MESSAGE, STR("@a:hs"), 1, later_us) > 0);
	rate_share(second, 1);
	assert_int_equal(rate_take(second, RATE_MESSAGE, STR("@a:hs"), 5, later_us), 0);
	rate_destroy(first);
	rate_destroy(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket__token_given_back__there_again),
		cmocka_unit_test(bucket__burst_used_up__refills_at_its_rate),
		cmocka_unit_test(bucket__several_tokens__all_or_none),
		cmocka_unit_test(bucket__more_tokens_than_it_holds__a_full_one),
		cmocka_unit_test(bucket__more_after_the_first__there_when_it_was_said),
		cmocka_unit_test(bucket__keys_and_classes__are_apart),
		cmocka_unit_test(bucket__two_processes__each_gives_out_half),
		cmocka_unit_test(bucket__no_key_or_no_rate__exempt),
		cmocka_unit_test(table__flood_of_keys__stays_bounded_and_keeps_the_busy_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
