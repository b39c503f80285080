/**
 * The days of a recurrence rule: of each of its periods (days, weeks, months or years from the start on) those that all parts of the rule
 * name. They are looked at one by one, so a rule that never comes costs no more than one that comes each day. Pure.
 * Spec: RFC 5545, 3.3.10
 */
#ifndef BELFRY_NOTICES_RECURRENCE_DAYS_H
#define BELFRY_NOTICES_RECURRENCE_DAYS_H

#include "base/zone.h"

enum {
	DAYS_YEAR_LAST = 2200, /**< no day is later */
	DAYS_IN_PERIOD = 366,
};

/** A list such as that of BYMONTHDAY, counted from the beginning or, what is negative, from the end. */
struct number_set {
	bool is_given;
	uint64_t from_first[DAYS_IN_PERIOD / 64 + 1]; /**< a bit each: 0 … 366 */
	uint64_t from_last[DAYS_IN_PERIOD / 64 + 1];
};

/** @param number  -366 … 366 */
void number_set_add(struct number_set *set, int number);

enum days_period {
	DAYS_DAILY,
	DAYS_WEEKLY,
	DAYS_MONTHLY,
	DAYS_YEARLY,
};

/** The parts of a rule that say on which days; what is not given allows all. */
struct days_rule {
	enum days_period period;
	int interval;   /**< of so many periods the first counts */
	int week_start; /**< 0: Monday */
	struct number_set months, weeks, year_days, month_days;
	bool has_weekdays;
	struct number_set weekdays[7]; /**< Monday first; 0: each, 2: the second of the month or year */
	struct number_set positions;   /**< of the period's days these alone */
};

/** Where a walk is. */
struct days_walk {
	struct days_rule rule;
	int64_t start;                 /* days since 1970, as all here */
	int64_t nth;                   /* the next period */
	int32_t found[DAYS_IN_PERIOD]; /* the days of the one before */
	size_t found_n, taken_n;
	int64_t
		looked; /**< days that were looked at so far, never more than lie between the start's year and DAYS_YEAR_LAST */
};

/**
 * @param start  the first day that may be one; also says what the rule leaves open, such as the day of a month
 */
void days_walk_init(struct days_walk *walk, const struct days_rule *rule,
	const struct wall_time *start);

/**
 * The next day, at 00:00.
 * @return false when there is none any more
 * Cost: 50 ns for each day that is looked at: for a rule that never comes 5 ms in two hundred years
 */
MUST_CHECK bool days_walk_next(struct days_walk *walk, struct wall_time *out);

#endif
