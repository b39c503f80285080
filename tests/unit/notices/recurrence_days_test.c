/*
 * The days of rules that are hard to walk, and how many days are looked at for those that never come.
 */
#include "tests/unit/base/check.h"

#include "notices/recurrence_days.h"

enum { DAYS_OF_YEAR = 366, SHOWN = 4 };

static struct wall_time date_of(int year, int month, int day)
{
	return (struct wall_time){.year = year, .month = month, .day = day};
}

static struct number_set set_of(int first, int second)
{
	struct number_set set = {0};
	number_set_add(&set, first);
	number_set_add(&set, second);
	return set;
}

static struct days_rule rule_of(enum days_period period)
{
	return (struct days_rule){.period = period, .interval = 1};
}

static void add_weekday(struct days_rule *rule, int weekday, int nth)
{
	rule->has_weekdays = true;
	number_set_add(&rule->weekdays[weekday], nth);
}

static void check_days(const struct days_rule *rule, struct wall_time start, const char *wanted)
{
	struct days_walk walk;
	struct wall_time date;
	char shown[SHOWN * 16] = "";
	days_walk_init(&walk, rule, &start);
	for (size_t i = 0; i < SHOWN && days_walk_next(&walk, &date); i++) {
		size_t n = strlen(shown);
		(void)snprintf(shown + n, sizeof(shown) - n, "%s%d-%d-%d", i > 0 ? " " : "", date.year,
			date.month, date.day);
	}
	assert_string_equal(shown, wanted);
}

static void walk__starts_in_the_middle__periods_and_positions_are_whole(void **state)
{
	(void)state;
	struct days_rule rule = rule_of(DAYS_WEEKLY);
	for (int i = 0; i < 5; i++) {
		add_weekday(&rule, i, 0);
	}
	rule.positions = set_of(1, -1);
	check_days(&rule, date_of(2026, 11, 25), "2026-11-27 2026-11-30 2026-12-4 2026-12-7");
	rule = rule_of(DAYS_MONTHLY);
	rule.interval = 12;
	rule.months = set_of(2, 3);
	check_days(&rule, date_of(2026, 2, 20), "2026-2-20 2027-2-20 2028-2-20 2029-2-20");
	rule = rule_of(DAYS_WEEKLY);
	rule.interval = 2;
	rule.week_start = 6;
	add_weekday(&rule, 6, 0);
	add_weekday(&rule, 1, 0);
	check_days(&rule, date_of(2026, 11, 30), "2026-12-1 2026-12-13 2026-12-15 2026-12-27");
}

/* 2026 begins on a Thursday, so it has 53 weeks, the last of which reaches into 2027. */
static void walk__weeks_of_a_year__as_iso_8601_counts_them(void **state)
{
	(void)state;
	struct days_rule rule = rule_of(DAYS_YEARLY);
	rule.weeks = set_of(53, 53);
	add_weekday(&rule, 3, 0);
	add_weekday(&rule, 6, 0);
	check_days(&rule, date_of(2026, 1, 1), "2026-12-31 2027-1-3 2032-12-30 2033-1-2");
	rule.weeks = set_of(-1, -1);
	check_days(&rule, date_of(2026, 6, 1), "2026-12-31 2027-1-3 2027-12-30 2028-1-2");
	rule.weeks = set_of(1, 1);
	rule.week_start = 6;
	check_days(&rule, date_of(2026, 6, 1), "2027-1-3 2027-1-7 2028-1-2 2028-1-6");
}

static void walk__ordinals__of_the_month_or_the_year(void **state)
{
	(void)state;
	struct days_rule rule = rule_of(DAYS_YEARLY);
	add_weekday(&rule, 0, 53);
	check_days(&rule, date_of(2026, 1, 1), "2029-12-31 2035-12-31 2040-12-31 2046-12-31");
	rule.months = set_of(2, 2);
	add_weekday(&rule, 0, -1);
	check_days(&rule, date_of(2026, 1, 1), "2026-2-23 2027-2-22 2028-2-28 2029-2-26");
}

static void walk__what_the_rule_leaves_open__as_at_the_start(void **state)
{
	(void)state;
	struct days_rule rule = rule_of(DAYS_YEARLY);
	check_days(&rule, date_of(2028, 2, 29), "2028-2-29 2032-2-29 2036-2-29 2040-2-29");
	rule.months = set_of(1, 6);
	check_days(&rule, date_of(2026, 3, 9), "2026-6-9 2027-1-9 2027-6-9 2028-1-9");
	rule = rule_of(DAYS_YEARLY);
	rule.weeks = set_of(20, 20);
	check_days(&rule, date_of(2026, 1, 6), "2026-5-12 2027-5-18 2028-5-16 2029-5-15");
	rule = rule_of(DAYS_MONTHLY);
	check_days(&rule, date_of(2026, 1, 31), "2026-1-31 2026-3-31 2026-5-31 2026-7-31");
}

static void check_never(const struct days_rule *rule)
{
	struct days_walk walk;
	struct wall_time date;
	struct wall_time start = date_of(1970, 1, 1);
	days_walk_init(&walk, rule, &start);
	assert_false(days_walk_next(&walk, &date));
	assert_in_range(walk.looked, 1, (DAYS_YEAR_LAST - 1970 + 1) * DAYS_OF_YEAR);
}

/* Each of them kept libical for seconds, or had it look at the next 18,000 years. */
static void walk__never_comes__each_day_looked_at_once(void **state)
{
	(void)state;
	for (enum days_period period = DAYS_DAILY; period <= DAYS_YEARLY; period++) {
		for (int interval = 1; interval <= 1000; interval += 333) {
			struct days_rule rule = rule_of(period);
			rule.interval = interval;
			rule.months = set_of(2, 2);
			rule.month_days = set_of(30, 31);
			check_never(&rule);
		}
	}
	struct days_rule rule = rule_of(DAYS_MONTHLY);
	add_weekday(&rule, 0, 0);
	add_weekday(&rule, 4, -1);
	rule.positions = set_of(-8, -8);
	check_never(&rule);
	rule = rule_of(DAYS_YEARLY);
	add_weekday(&rule, 0, 0);
	rule.positions = set_of(300, 300);
	check_never(&rule);
	rule = rule_of(DAYS_WEEKLY);
	add_weekday(&rule, 0, 0);
	rule.positions = set_of(3, 3);
	check_never(&rule);
}

static void walk__to_the_end__stays_there(void **state)
{
	(void)state;
	struct days_walk walk;
	struct wall_time date;
	struct wall_time start = date_of(DAYS_YEAR_LAST, 12, 30);
	struct days_rule rule = rule_of(DAYS_DAILY);
	check_days(&rule, start, "2200-12-30 2200-12-31");
	rule = rule_of(DAYS_WEEKLY);
	days_walk_init(&walk, &rule, &start);
	assert_true(days_walk_next(&walk, &date));
	assert_int_equal(date.day, 30);
	for (int i = 0; i < 3; i++) {
		assert_false(days_walk_next(&walk, &date));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk__starts_in_the_middle__periods_and_positions_are_whole),
		cmocka_unit_test(walk__weeks_of_a_year__as_iso_8601_counts_them),
		cmocka_unit_test(walk__ordinals__of_the_month_or_the_year),
		cmocka_unit_test(walk__what_the_rule_leaves_open__as_at_the_start),
		cmocka_unit_test(walk__never_comes__each_day_looked_at_once),
		cmocka_unit_test(walk__to_the_end__stays_there),
	};
	return RUN_ALL(tests);
}
