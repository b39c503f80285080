/**
 * When a notice is due: once, or by a rule, on the clock of a time zone. Pure.
 * Spec: RFC 5545, 3.8.5 (DTSTART, RRULE, EXDATE)
 */
#ifndef BELFRY_NOTICES_SCHEDULE_H
#define BELFRY_NOTICES_SCHEDULE_H

#include "notices/recurrence.h"

enum {
	SCHEDULE_EXCEPT_MAX = 100,
	SCHEDULE_STEPS_MAX = 100000, /**< occurrences that are looked at for one answer */
};

/** As people write it; texts are borrowed. */
struct schedule_text {
	struct str
		start; /**< wall_time_read(), no date alone: "2026-11-30T07:00"; with a Z it is UTC, whatever the zone */
	struct str zone; /**< "Asia/Taipei" */
	struct str rule; /**< p == NULL: once */
	const struct str
		*except; /**< dates, or dates with time, of the zone's clock, that are left out */
	size_t except_count;
};

struct schedule;

/**
 * Reads it, and makes sure that it ever comes.
 * @param out  ends with the ctx's arena
 * Errors: INPUT M_INVALID_PARAM: which part is wrong, and how it should be
 * Cost: of a rule that never comes some milliseconds (days_walk_next()); else microseconds
 */
MUST_CHECK enum err schedule_open(struct ctx *ctx, const struct schedule_text *text,
	struct schedule **out);

/**
 * The first moment that is later than another, both in milliseconds since 1970.
 * @param out_ms  -1: none any more
 * Errors: INPUT M_INVALID_PARAM (more than SCHEDULE_STEPS_MAX occurrences lie before it)
 * Cost: 3 µs for each occurrence before it
 */
MUST_CHECK enum err schedule_next(struct ctx *ctx, struct schedule *schedule, int64_t after_ms,
	int64_t *out_ms);

/** What lies around a moment; -1: nothing. */
struct schedule_moments {
	int64_t last_ms; /**< the newest that is not later */
	int64_t next_ms; /**< the first that is later */
};
/** Both at once, of a schedule with a rule or without. Errors and cost: as schedule_next() */
MUST_CHECK enum err schedule_around(struct ctx *ctx, struct schedule *schedule, int64_t at_ms,
	struct schedule_moments *out);

/** The moment as the zone's clock shows it: "2026-11-30 07:00". In the ctx's arena. */
struct str schedule_show(struct ctx *ctx, struct schedule *schedule, int64_t at_ms);

#endif
