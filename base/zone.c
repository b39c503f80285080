/*
 * A zone is one of ICU's calendars, told how to take times that do not exist or exist twice; or a list of changes, which
 * takes them just so.
 */
#include "base/zone.h"

#include <unicode/ucal.h>

#include "base/defs.h"
#include "gen/late_icu_i18n.h"

enum { NAME_MAX_CHARS = 64, DAY_MS = 24 * 60 * 60 * 1000 };

struct zone {
	UCalendar *calendar; /* NULL: a list of changes */
	int64_t first_ms;
	const struct zone_change *changes;
	size_t change_n;
};

/* --- the wall ----------------------------------------------------------------------------------------------- */

int wall_time_month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month == 2 && is_leap ? 29 : days[month - 1];
}

bool wall_time_is_valid(const struct wall_time *wall)
{
	return wall->year >= 1 && wall->year <= 9999 && wall->month >= 1 && wall->month <= 12 &&
		wall->day >= 1 && wall->day <= wall_time_month_days(wall->year, wall->month) &&
		wall->hour >= 0 && wall->hour <= 23 && wall->minute >= 0 && wall->minute <= 59 &&
		wall->second >= 0 && wall->second <= 59;
}

int wall_time_compare(const struct wall_time *a, const struct wall_time *b)
{
	const int differences[] = {a->year - b->year, a->month - b->month, a->day - b->day,
		a->hour - b->hour, a->minute - b->minute, a->second - b->second};
	for (size_t i = 0; i < COUNT_OF(differences); i++) {
		if (differences[i] != 0) {
			return differences[i];
		}
	}
	return 0;
}

/* The year begins in March, so that its odd day is the last. */
int64_t wall_time_to_days(const struct wall_time *wall)
{
	int64_t year = wall->month > 2 ? wall->year : wall->year - 1;
	int64_t month = (wall->month + 9) % 12;
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + wall->day -
		719469;
}

void wall_time_of_days(int64_t days, struct wall_time *out)
{
	int64_t year = 1970 + (days < 0 ? days / 365 - 1 : days / 366);
	struct wall_time wall = {.year = (int)year, .month = 1, .day = 1};
	while (wall_time_to_days(&(struct wall_time){.year = wall.year + 1, .month = 1, .day = 1}) <=
		days) {
		wall.year++;
	}
	int64_t left = days - wall_time_to_days(&wall);
	while (left >= wall_time_month_days(wall.year, wall.month)) {
		left -= wall_time_month_days(wall.year, wall.month++);
	}
	wall.day = (int)left + 1;
	*out = wall;
}

/* --- zones ---------------------------------------------------------------------------------------------------- */

static void close_calendar(void *data)
{
	ucal_close(data);
}

/* ICU takes any name, as well "GMT+25": only those of its table are zones. */
static bool is_known(const UChar *name, int32_t length)
{
	UChar canonical[NAME_MAX_CHARS * 2];
	UBool is_system = false;
	UErrorCode status = U_ZERO_ERROR;
	(void)ucal_getCanonicalTimeZoneID(name, length, canonical, (int32_t)COUNT_OF(canonical),
		&is_system, &status);
	return U_SUCCESS(status) && is_system;
}

bool zone_open(struct arena *arena, struct str name, struct zone **out)
{
	UChar wide[NAME_MAX_CHARS];
	if (name.n == 0 || name.n > NAME_MAX_CHARS) {
		return false;
	}
	for (size_t i = 0; i < name.n; i++) {
		wide[i] = (UChar)(unsigned char)name.p[i];
	}
	if (!is_known(wide, (int32_t)name.n)) {
		return false;
	}
	UErrorCode status = U_ZERO_ERROR;
	UCalendar *calendar = ucal_open(wide, (int32_t)name.n, "en_US", UCAL_GREGORIAN, &status);
	if (U_FAILURE(status)) {
		return false;
	}
	ucal_setAttribute(calendar, UCAL_REPEATED_WALL_TIME, UCAL_WALLTIME_FIRST);
	ucal_setAttribute(calendar, UCAL_SKIPPED_WALL_TIME, UCAL_WALLTIME_LAST);
	*out = ARENA_NEW(arena, struct zone);
	**out = (struct zone){.calendar = calendar};
	arena_on_reset(arena, close_calendar, calendar);
	return true;
}

/* --- by their changes ----------------------------------------------------------------------------------------- */

struct zone *zone_of_changes(struct arena *arena, int64_t first_ms,
	const struct zone_change *changes, size_t count)
{
	struct zone *zone = ARENA_NEW(arena, struct zone);
	*zone = (struct zone){.first_ms = first_ms, .changes = changes, .change_n = count};
	return zone;
}

/* How many changes have come by a moment. */
static size_t changes_by(const struct zone *zone, int64_t at_ms)
{
	size_t low = 0;
	size_t high = zone->change_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (zone->changes[middle].at_ms <= at_ms) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* The offset after so many changes. */
static int64_t offset_after(const struct zone *zone, size_t count)
{
	return count == 0 ? zone->first_ms : zone->changes[count - 1].offset_ms;
}

static int64_t wall_to_utc_ms(const struct wall_time *wall)
{
	return ((wall_time_to_days(wall) * 24 + wall->hour) * 60 + wall->minute) * 60 * 1000 +
		(int64_t)wall->second * 1000;
}

static void utc_ms_to_wall(int64_t at_ms, struct wall_time *out)
{
	int64_t days = at_ms / DAY_MS - (at_ms % DAY_MS < 0 ? 1 : 0);
	int64_t second = (at_ms - days * DAY_MS) / 1000;
	wall_time_of_days(days, out);
	out->hour = (int)(second / 3600);
	out->minute = (int)(second / 60 % 60);
	out->second = (int)(second % 60);
}

/* Of the stretches between changes: the first in which the clock shows it, else the offset before the jump that leaves it out. */
static int64_t changes_to_ms(const struct zone *zone, const struct wall_time *wall)
{
	int64_t utc_ms = wall_to_utc_ms(wall);
	size_t i = changes_by(zone, utc_ms - DAY_MS);
	for (; i < zone->change_n; i++) {
		if (utc_ms - offset_after(zone, i) < zone->changes[i].at_ms) {
			break;
		}
		if (utc_ms - offset_after(zone, i + 1) < zone->changes[i].at_ms) {
			break; /* the jump leaves it out */
		}
	}
	return utc_ms - offset_after(zone, i);
}

/* --- both ------------------------------------------------------------------------------------------------------- */

int64_t zone_to_ms(struct zone *zone, const struct wall_time *wall)
{
	if (zone->calendar == NULL) {
		return changes_to_ms(zone, wall);
	}
	UErrorCode status = U_ZERO_ERROR;
	ucal_clear(zone->calendar);
	ucal_setDateTime(zone->calendar, wall->year, wall->month - 1, wall->day, wall->hour,
		wall->minute, wall->second, &status);
	UDate at_ms = ucal_getMillis(zone->calendar, &status);
	invariant(U_SUCCESS(status));
	return (int64_t)at_ms;
}

void zone_to_wall(struct zone *zone, int64_t at_ms, struct wall_time *out)
{
	if (zone->calendar == NULL) {
		utc_ms_to_wall(at_ms + offset_after(zone, changes_by(zone, at_ms)), out);
		return;
	}
	UErrorCode status = U_ZERO_ERROR;
	ucal_setMillis(zone->calendar, (UDate)at_ms, &status);
	*out = (struct wall_time){
		.year = ucal_get(zone->calendar, UCAL_YEAR, &status),
		.month = ucal_get(zone->calendar, UCAL_MONTH, &status) + 1,
		.day = ucal_get(zone->calendar, UCAL_DATE, &status),
		.hour = ucal_get(zone->calendar, UCAL_HOUR_OF_DAY, &status),
		.minute = ucal_get(zone->calendar, UCAL_MINUTE, &status),
		.second = ucal_get(zone->calendar, UCAL_SECOND, &status),
	};
	invariant(U_SUCCESS(status));
}
