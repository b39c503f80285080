/**
 * Recurrence rules of iCalendar, in wall-clock time. Pure.
 * Spec: RFC 5545, 3.3.10
 */
#ifndef BELFRY_NOTICES_RECURRENCE_H
#define BELFRY_NOTICES_RECURRENCE_H

#include "base/ctx.h"
#include "base/zone.h"

enum {
	RECURRENCE_RULE_MAX_BYTES = 500,
	RECURRENCE_A_DAY_MAX = 24, /**< times of day (BYHOUR, BYMINUTE, BYSECOND) */
};

/** A rule and where its walk is; for one thread at a time. */
struct recurrence;

/**
 * Reads a rule: FREQ is DAILY or slower; INTERVAL, COUNT, UNTIL, WKST and the BY… parts as the RFC has them. BYSETPOS goes
 * with one time of day.
 *
 * @param start  the first moment that may be one; an occurrence only if the rule says so
 * @param zone   of the wall's clock; used as long as the recurrence
 * @param out    ends with the ctx's arena
 * Errors: INPUT M_INVALID_PARAM: what is wrong; a rule that never comes too
 */
MUST_CHECK enum err recurrence_open(struct ctx *ctx, struct str rule, const struct wall_time *start,
	struct zone *zone, struct recurrence **out);

/**
 * The next occurrence. The wall's times rise; their moments nearly so: one that a jump of the clock leaves out may be later than those
 * of the two hours after it, or the same.
 * @return false when there is none any more
 */
MUST_CHECK bool recurrence_step(struct recurrence *recurrence, struct wall_time *out_wall,
	int64_t *out_ms);

/** How dear it was until now to look for occurrences, those that were found aside: in so many times the price of one. */
size_t recurrence_cost(const struct recurrence *recurrence);

/**
 * A date, or a date with time, as iCalendar or RFC 3339 write it: 20261130, 20261130T070000, 20261130T070000Z, 2026-11-30,
 * 2026-11-30T07:00, 2026-11-30 07:00:00.
 * @param out_is_date, out_is_utc  may be NULL: then such a text is none
 * @return false when it is none
 */
MUST_CHECK bool wall_time_read(struct str text, struct wall_time *out, bool *out_is_date,
	bool *out_is_utc);

#endif
