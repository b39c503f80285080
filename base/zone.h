/**
 * Time zones: what a clock on the wall shows, and when that is. ICU stands behind this file.
 */
#ifndef BELFRY_BASE_ZONE_H
#define BELFRY_BASE_ZONE_H

#include "base/arena.h"
#include "base/str.h"

/** What a clock and a calendar on the wall show (Gregorian). */
struct wall_time {
	int year;
	int month;  /**< 1 … 12 */
	int day;    /**< 1 … 31 */
	int hour;   /**< 0 … 23 */
	int minute; /**< 0 … 59 */
	int second; /**< 0 … 59 */
};

/** Whether there is such a day (years 1 … 9999) and such a time of day; time zones are another matter. */
bool wall_time_is_valid(const struct wall_time *wall);
/** Days of a month. */
int wall_time_month_days(int year, int month);
/** Earlier: < 0; the same: 0. */
int wall_time_compare(const struct wall_time *a, const struct wall_time *b);
/** Days from 1 January 1970 to its date. */
int64_t wall_time_to_days(const struct wall_time *wall);
/** The date so many days after 1 January 1970, at 00:00. */
void wall_time_of_days(int64_t days, struct wall_time *out);

/** A time zone, for one thread at a time. */
struct zone;

/**
 * @param name  of the IANA database: "Asia/Taipei", "UTC"
 * @param out   ends with the arena
 * @return false when there is no such zone
 */
MUST_CHECK bool zone_open(struct arena *arena, struct str name, struct zone **out);

/** From a moment on a clock is so far before UTC. */
struct zone_change {
	int64_t at_ms;
	int64_t offset_ms;
};
/**
 * A zone by the changes of its clock, for those that have no name.
 * @param first_ms  offset before the first change
 * @param changes   in order; offsets of less than a day; lives as long as the arena
 */
struct zone *zone_of_changes(struct arena *arena, int64_t first_ms,
	const struct zone_change *changes, size_t count);

/**
 * When a clock there shows this. A time that a jump forward leaves out is taken by the offset before it (02:30 is 03:30 after a jump of an
 * hour); of one that comes twice the first counts.
 * Spec: RFC 5545, 3.3.5
 * @return milliseconds since 1970
 */
int64_t zone_to_ms(struct zone *zone, const struct wall_time *wall);

/** What a clock there shows at a moment. */
void zone_to_wall(struct zone *zone, int64_t at_ms, struct wall_time *out);

#endif
