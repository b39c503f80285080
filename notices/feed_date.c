/*
 * Dates as feeds write them.
 */
#include <time.h>

#include "base/zone.h"
#include "notices/feed.h"

/* Takes up to `most` digits off. @return how many there were */
static size_t take_number(struct str *text, size_t most, int *out)
{
	size_t n = 0;
	int value = 0;
	while (n < most && n < text->n && text->p[n] >= '0' && text->p[n] <= '9') {
		value = value * 10 + (text->p[n++] - '0');
	}
	*text = str_slice(*text, n, text->n);
	*out = value;
	return n;
}

static bool take(struct str *text, char c)
{
	bool is_there = text->n > 0 && text->p[0] == c;
	*text = str_slice(*text, is_there ? 1 : 0, text->n);
	return is_there;
}

static bool take_two(struct str *text, int *out)
{
	return take_number(text, 2, out) == 2;
}

/* "+08:00", "+0800", "Z", "GMT", "EST"; what is not known is taken as UTC. */
static int take_offset_minutes(struct str text)
{
	static const struct {
		struct str name;
		int hours;
	} zones[] = {{STR_INIT("EST"), -5}, {STR_INIT("EDT"), -4}, {STR_INIT("CST"), -6},
		{STR_INIT("CDT"), -5}, {STR_INIT("MST"), -7}, {STR_INIT("MDT"), -6}, {STR_INIT("PST"), -8},
		{STR_INIT("PDT"), -7}};
	text = str_trim(text);
	for (size_t i = 0; i < COUNT_OF(zones); i++) {
		if (str_starts_with(text, zones[i].name)) {
			return zones[i].hours * 60;
		}
	}
	bool is_minus = text.n > 0 && text.p[0] == '-';
	int hours = 0;
	int minutes = 0;
	if (text.n == 0 || (text.p[0] != '+' && text.p[0] != '-')) {
		return 0;
	}
	text = str_slice(text, 1, text.n);
	bool is_good = take_two(&text, &hours) && (take(&text, ':') || true) &&
		take_two(&text, &minutes) && hours < 24 && minutes < 60;
	int total = is_good ? hours * 60 + minutes : 0;
	return is_minus ? -total : total;
}

static int64_t to_ms(const struct wall_time *wall, int offset_minutes)
{
	struct tm fields = {
		.tm_year = wall->year - 1900,
		.tm_mon = wall->month - 1,
		.tm_mday = wall->day,
		.tm_hour = wall->hour,
		.tm_min = wall->minute,
		.tm_sec = wall->second,
	};
	if (!wall_time_is_valid(wall) || wall->year < 1970) {
		return 0;
	}
	return ((int64_t)timegm(&fields) - (int64_t)offset_minutes * 60) * 1000;
}

/* "07:00", "07:00:00", "07:00:00.5" */
static bool take_time(struct str *text, struct wall_time *wall)
{
	int fraction;
	bool is_good = take_two(text, &wall->hour) && take(text, ':') && take_two(text, &wall->minute);
	if (is_good && take(text, ':')) {
		is_good = take_two(text, &wall->second);
		if (wall->second == 60) {
			wall->second = 59;
		}
	}
	if (is_good && take(text, '.')) {
		while (take_number(text, 1, &fraction) == 1) {
		}
	}
	return is_good;
}

/* "2026-11-30T07:00:00+08:00"; the time may be left out. */
static int64_t read_rfc3339(struct str text)
{
	struct wall_time wall = {0};
	bool is_good = take_number(&text, 4, &wall.year) == 4 && take(&text, '-') &&
		take_two(&text, &wall.month) && take(&text, '-') && take_two(&text, &wall.day);
	if (is_good && (take(&text, 'T') || take(&text, ' '))) {
		is_good = take_time(&text, &wall);
	}
	return is_good ? to_ms(&wall, take_offset_minutes(text)) : 0;
}

static int month_of(struct str text)
{
	static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug",
		"sep", "oct", "nov", "dec"};
	for (size_t i = 0; i < COUNT_OF(months); i++) {
		if (str_equals_nocase(str_slice(text, 0, 3), str_of(months[i]))) {
			return (int)i + 1;
		}
	}
	return 0;
}

/* "Mon, 30 Nov 2026 07:00:00 +0800"; the day of the week may be left out, the year have two digits. */
static int64_t read_rfc822(struct str text)
{
	struct wall_time wall = {0};
	struct str day;
	struct str rest;
	if (str_split(text, ',', &day, &rest)) {
		text = str_trim(rest);
	}
	if (take_number(&text, 2, &wall.day) == 0 || !take(&text, ' ')) {
		return 0;
	}
	wall.month = month_of(str_trim(text));
	size_t space = str_find_byte(str_trim(text), ' ');
	text = str_trim(text);
	text = str_trim(str_slice(text, space == SIZE_MAX ? text.n : space, text.n));
	size_t digits = take_number(&text, 4, &wall.year);
	if (digits == 2) {
		wall.year += wall.year < 70 ? 2000 : 1900;
	}
	text = str_trim(text);
	bool is_good = wall.month > 0 && (digits == 2 || digits == 4) && take_time(&text, &wall);
	return is_good ? to_ms(&wall, take_offset_minutes(text)) : 0;
}

int64_t feed_date_read(struct str text)
{
	int64_t at_ms = read_rfc3339(text);
	return at_ms != 0 ? at_ms : read_rfc822(text);
}
