/*
 * What a rule "expands" and what it "limits" in the RFC's table is the same here: a day of the period counts if each given part names it. Where no
 * part says which day of its period it is, the start does.
 */
#include "notices/recurrence_days.h"

/* A day and where it stands. */
struct day {
	struct wall_time date;
	int weekday; /* 0: Monday */
	int year_day;
	int days_of_month, days_of_year;
};

void number_set_add(struct number_set *set, int number)
{
	const unsigned at = (unsigned)(number < 0 ? -number : number);
	uint64_t *bits = number < 0 ? set->from_last : set->from_first;
	bits[at / 64] |= UINT64_C(1) << at % 64;
	set->is_given = true;
}

static bool has_bit(const uint64_t *bits, int at)
{
	return (bits[at / 64] >> at % 64 & 1) != 0;
}

/* @param number, count  the number-th of so many */
static bool names(const struct number_set *set, int number, int count)
{
	return has_bit(set->from_first, number) || has_bit(set->from_last, count - number + 1);
}

static bool allows(const struct number_set *set, int number, int count)
{
	return !set->is_given || names(set, number, count);
}

/* --- days ---------------------------------------------------------------------------------------------------- */

static int64_t first_of_month(int year, int month)
{
	return wall_time_to_days(&(struct wall_time){.year = year, .month = month, .day = 1});
}

/* 1 January 1970 was a Thursday. */
static int weekday_of(int64_t number)
{
	return (int)(((number + 3) % 7 + 7) % 7);
}

static struct day day_of(int64_t number)
{
	struct day day = {.weekday = weekday_of(number)};
	wall_time_of_days(number, &day.date);
	const int64_t first_of_year = first_of_month(day.date.year, 1);
	day.year_day = (int)(number - first_of_year) + 1;
	day.days_of_year = (int)(first_of_month(day.date.year + 1, 1) - first_of_year);
	day.days_of_month = wall_time_month_days(day.date.year, day.date.month);
	return day;
}

/* A week is of the year in which its fourth day lies. */
static bool is_in_weeks(const struct days_rule *rule, int64_t number)
{
	const int since_start = (weekday_of(number) - rule->week_start + 7) % 7;
	const struct day fourth = day_of(number - since_start + 3);
	const int week = (fourth.year_day - 1) / 7 + 1;
	return names(&rule->weeks, week, week + (fourth.days_of_year - fourth.year_day) / 7);
}

static bool is_weekday(const struct days_rule *rule, const struct day *day)
{
	const struct number_set *set = &rule->weekdays[day->weekday];
	const bool of_month = rule->period == DAYS_MONTHLY || rule->months.is_given;
	const int at = of_month ? day->date.day : day->year_day;
	const int left = (of_month ? day->days_of_month : day->days_of_year) - at;
	const int nth = (at - 1) / 7 + 1;
	return set->is_given && (has_bit(set->from_first, 0) || names(set, nth, nth + left / 7));
}

/* @param day  of a month that the rule allows */
static bool is_in_rule(const struct days_rule *rule, int64_t number, const struct day *day)
{
	return allows(&rule->month_days, day->date.day, day->days_of_month) &&
		allows(&rule->year_days, day->year_day, day->days_of_year) &&
		(!rule->has_weekdays || is_weekday(rule, day)) &&
		(!rule->weeks.is_given || is_in_weeks(rule, number));
}

/* --- the walk ------------------------------------------------------------------------------------------------- */

/* What the rule leaves open is as it is at the start. */
static void complete(struct days_rule *rule, const struct wall_time *start, int weekday)
{
	const bool has_day =
		rule->has_weekdays || rule->month_days.is_given || rule->year_days.is_given;
	const bool is_of_week =
		rule->period == DAYS_WEEKLY || (rule->period == DAYS_YEARLY && rule->weeks.is_given);
	if (rule->period == DAYS_DAILY || has_day) {
		return;
	}
	if (is_of_week) {
		rule->has_weekdays = true;
		number_set_add(&rule->weekdays[weekday], 0);
		return;
	}
	number_set_add(&rule->month_days, start->day);
	if (rule->period == DAYS_YEARLY && !rule->months.is_given) {
		number_set_add(&rule->months, start->month);
	}
}

void days_walk_init(struct days_walk *walk, const struct days_rule *rule,
	const struct wall_time *start)
{
	*walk = (struct days_walk){.rule = *rule, .start = wall_time_to_days(start)};
	complete(&walk->rule, start, weekday_of(walk->start));
}

/* The period in which the start lies, moved by some: its first day, and the first behind it. */
static void find_period(const struct days_walk *walk, int64_t by, int64_t *out_first,
	int64_t *out_end)
{
	const struct day start = day_of(walk->start);
	int64_t month = (int64_t)start.date.year * 12 + start.date.month - 1 + by;
	switch (walk->rule.period) {
	case DAYS_DAILY:
		*out_first = walk->start + by;
		*out_end = *out_first + 1;
		return;
	case DAYS_WEEKLY:
		*out_first = walk->start - (start.weekday - walk->rule.week_start + 7) % 7 + 7 * by;
		*out_end = *out_first + 7;
		return;
	case DAYS_MONTHLY:
		*out_first = first_of_month((int)(month / 12), (int)(month % 12) + 1);
		*out_end = first_of_month((int)((month + 1) / 12), (int)((month + 1) % 12) + 1);
		return;
	case DAYS_YEARLY:
		*out_first = first_of_month(start.date.year + (int)by, 1);
		*out_end = first_of_month(start.date.year + (int)by + 1, 1);
		return;
	}
}

static void keep_positions(struct days_walk *walk)
{
	size_t kept = 0;
	for (size_t i = 0; i < walk->found_n; i++) {
		if (allows(&walk->rule.positions, (int)i + 1, (int)walk->found_n)) {
			walk->found[kept++] = walk->found[i];
		}
	}
	walk->found_n = kept;
}

/* @return false behind the last */
static bool look_at_next_period(struct days_walk *walk)
{
	int64_t first = 0;
	int64_t end = 0;
	find_period(walk, walk->nth++ * walk->rule.interval, &first, &end);
	walk->found_n = 0;
	walk->taken_n = 0;
	if (first >= first_of_month(DAYS_YEAR_LAST + 1, 1)) {
		return false;
	}
	for (int64_t number = first; number < end; number++) {
		const struct day day = day_of(number);
		walk->looked++;
		if (!allows(&walk->rule.months, day.date.month, 12)) {
			number += day.days_of_month - day.date.day; /* the rest of it */
		} else if (is_in_rule(&walk->rule, number, &day)) {
			walk->found[walk->found_n++] = (int32_t)number;
		}
	}
	keep_positions(walk);
	return true;
}

bool days_walk_next(struct days_walk *walk, struct wall_time *out)
{
	int64_t number = walk->start - 1;
	while (number < walk->start) {
		while (walk->taken_n == walk->found_n) {
			if (!look_at_next_period(walk)) {
				return false;
			}
		}
		number = walk->found[walk->taken_n++];
	}
	wall_time_of_days(number, out);
	return out->year <= DAYS_YEAR_LAST;
}
