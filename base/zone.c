/*
 * A zone is one of ICU's calendars, told how to take times that do not exist or exist twice.
 */
#include "base/zone.h"

#include <unicode/ucal.h>

#include "base/defs.h"

enum { NAME_MAX_CHARS = 64 };

struct zone {
	UCalendar *calendar;
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
	(*out)->calendar = calendar;
	arena_on_reset(arena, close_calendar, calendar);
	return true;
}

int64_t zone_to_ms(struct zone *zone, const struct wall_time *wall)
{
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
