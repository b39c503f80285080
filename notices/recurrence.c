/*
 * The rule is read here, strictly, part by part. libical walks over its days; the times of day are put in here, since a rule that
 * never comes would have it try each hour of five centuries.
 */
#include "notices/recurrence.h"

#include <libical/ical.h>

#include "base/buf.h"
#include "gen/late_ical.h"
#include "matrix/errcode.h"

enum {
	COUNT_MAX = 100000,
	INTERVAL_MAX = 1000,
	YEAR_FIRST = 1970,
	YEAR_LAST = 2200,
};

enum part {
	PART_FREQ,
	PART_INTERVAL,
	PART_COUNT,
	PART_UNTIL,
	PART_WKST,
	PART_BYSECOND,
	PART_BYMINUTE,
	PART_BYHOUR,
	PART_BYDAY,
	PART_BYMONTHDAY,
	PART_BYYEARDAY,
	PART_BYWEEKNO,
	PART_BYMONTH,
	PART_BYSETPOS,
	PART_COUNT_OF,
};

/* What the numbers of a part may be; those that may be negative may not be 0. */
static const struct {
	struct str key;
	int64_t min, max;
	bool may_be_negative;
} parts[PART_COUNT_OF] = {
	[PART_FREQ] = {STR_INIT("FREQ"), 0, 0, false},
	[PART_INTERVAL] = {STR_INIT("INTERVAL"), 1, INTERVAL_MAX, false},
	[PART_COUNT] = {STR_INIT("COUNT"), 1, COUNT_MAX, false},
	[PART_UNTIL] = {STR_INIT("UNTIL"), 0, 0, false},
	[PART_WKST] = {STR_INIT("WKST"), 0, 0, false},
	[PART_BYSECOND] = {STR_INIT("BYSECOND"), 0, 59, false},
	[PART_BYMINUTE] = {STR_INIT("BYMINUTE"), 0, 59, false},
	[PART_BYHOUR] = {STR_INIT("BYHOUR"), 0, 23, false},
	[PART_BYDAY] = {STR_INIT("BYDAY"), 1, 53, true},
	[PART_BYMONTHDAY] = {STR_INIT("BYMONTHDAY"), 1, 31, true},
	[PART_BYYEARDAY] = {STR_INIT("BYYEARDAY"), 1, 366, true},
	[PART_BYWEEKNO] = {STR_INIT("BYWEEKNO"), 1, 53, true},
	[PART_BYMONTH] = {STR_INIT("BYMONTH"), 1, 12, false},
	[PART_BYSETPOS] = {STR_INIT("BYSETPOS"), 1, 366, true},
};

/* A set of small numbers, such as the hours of BYHOUR. */
struct numbers {
	uint64_t bits;
};

struct recurrence {
	struct zone *zone;
	struct wall_time start;
	struct wall_time times[RECURRENCE_A_DAY_MAX]; /* of a day, in order */
	size_t time_n;
	int64_t until_ms;
	int64_t left; /* of COUNT */
	icalrecur_iterator *iterator;
	struct wall_time day;
	size_t next_time; /* time_n: the day is done */
};

/* A rule on its way to libical. */
struct reading {
	struct str values[PART_COUNT_OF]; /* p == NULL: not given */
	struct numbers hours, minutes, seconds;
	struct buf days; /* the rule without what is done here */
};

static void reading_fini(struct reading *reading)
{
	buf_fini(&reading->days);
}

/* --- dates ------------------------------------------------------------------------------------------------- */

/* Takes so many digits off. */
static bool take_digits(struct str *text, size_t count, int *out)
{
	int value = 0;
	if (text->n < count) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (text->p[i] < '0' || text->p[i] > '9') {
			return false;
		}
		value = value * 10 + (text->p[i] - '0');
	}
	*text = str_slice(*text, count, text->n);
	*out = value;
	return true;
}

static bool take_byte(struct str *text, char c)
{
	bool is_there = text->n > 0 && text->p[0] == c;
	*text = str_slice(*text, is_there ? 1 : 0, text->n);
	return is_there;
}

static bool take_date(struct str *text, struct wall_time *out, bool *out_has_dashes)
{
	bool good = take_digits(text, 4, &out->year);
	*out_has_dashes = take_byte(text, '-');
	return good && take_digits(text, 2, &out->month) && take_byte(text, '-') == *out_has_dashes &&
		take_digits(text, 2, &out->day);
}

static bool take_time(struct str *text, struct wall_time *out, bool has_colons)
{
	if (!take_digits(text, 2, &out->hour) || take_byte(text, ':') != has_colons ||
		!take_digits(text, 2, &out->minute)) {
		return false;
	}
	if (has_colons) {
		return !take_byte(text, ':') || take_digits(text, 2, &out->second);
	}
	return take_digits(text, 2, &out->second);
}

bool wall_time_read(struct str text, struct wall_time *out, bool *out_is_date, bool *out_is_utc)
{
	struct wall_time wall = {0};
	bool has_dashes;
	if (!take_date(&text, &wall, &has_dashes)) {
		return false;
	}
	bool is_date = text.n == 0;
	bool is_utc = false;
	if (!is_date) {
		bool has_t = take_byte(&text, 'T') || (has_dashes && take_byte(&text, ' '));
		if (!has_t || !take_time(&text, &wall, has_dashes)) {
			return false;
		}
		is_utc = take_byte(&text, 'Z');
	}
	if (text.n > 0 || !wall_time_is_valid(&wall) || (is_date && out_is_date == NULL) ||
		(is_utc && out_is_utc == NULL)) {
		return false;
	}
	*out = wall;
	if (out_is_date != NULL) {
		*out_is_date = is_date;
	}
	if (out_is_utc != NULL) {
		*out_is_utc = is_utc;
	}
	return true;
}

/* --- reading a rule ----------------------------------------------------------------------------------------- */

static enum err split_parts(struct ctx *ctx, struct str rule, struct reading *reading)
{
	while (rule.n > 0) {
		struct str part;
		struct str key;
		struct str value;
		size_t i = 0;
		(void)str_split(rule, ';', &part, &rule);
		(void)str_split(part, '=', &key, &value);
		while (i < PART_COUNT_OF && !str_equals(key, parts[i].key)) {
			i++;
		}
		if (i == PART_COUNT_OF || value.n == 0) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"The rule has '%.*s', which is no part of one", STR_ARG(part));
		}
		if (reading->values[i].p != NULL) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule has %.*s twice", STR_ARG(key));
		}
		reading->values[i] = value;
	}
	return ERR_OK;
}

static bool is_weekday(struct str text)
{
	static const char *const days[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
	for (size_t i = 0; i < COUNT_OF(days); i++) {
		if (str_equals(text, str_of(days[i]))) {
			return true;
		}
	}
	return false;
}

/* One of a part's list. */
static bool read_number(struct str text, enum part part, int64_t *out)
{
	bool is_negative = parts[part].may_be_negative && text.n > 0 && text.p[0] == '-';
	bool has_sign = is_negative || (parts[part].may_be_negative && text.n > 0 && text.p[0] == '+');
	struct str digits = str_slice(text, has_sign ? 1 : 0, text.n);
	int64_t number;
	/* "07" is a number here. */
	while (digits.n > 1 && digits.p[0] == '0') {
		digits = str_slice(digits, 1, digits.n);
	}
	if (!str_to_int(digits, parts[part].min, parts[part].max, &number)) {
		return false;
	}
	*out = is_negative ? -number : number;
	return true;
}

static bool read_day(struct str text, bool *has_ordinal)
{
	int64_t number;
	struct str ordinal = str_slice(text, 0, text.n >= 2 ? text.n - 2 : 0);
	*has_ordinal = *has_ordinal || ordinal.n > 0;
	return text.n >= 2 && is_weekday(str_slice(text, text.n - 2, text.n)) &&
		(ordinal.n == 0 || read_number(ordinal, PART_BYDAY, &number));
}

/* @param set  gets numbers from 0 to 63; NULL: they are only checked */
static enum err check_list(struct ctx *ctx, const struct reading *reading, enum part part,
	struct numbers *set, bool *out_has_ordinal)
{
	struct str list = reading->values[part];
	int64_t n = 0;
	*out_has_ordinal = false;
	while (list.p != NULL && list.n > 0) {
		struct str item;
		int64_t number = 0;
		bool has_more = str_split(list, ',', &item, &list);
		bool is_good =
			part == PART_BYDAY ? read_day(item, out_has_ordinal) : read_number(item, part, &number);
		if (!is_good || ++n > parts[part].max + 1 || (has_more && list.n == 0)) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule's %.*s=%.*s is none",
				STR_ARG(parts[part].key), STR_ARG(reading->values[part]));
		}
		if (set != NULL) {
			set->bits |= UINT64_C(1) << number;
		}
	}
	return ERR_OK;
}

static bool has(const struct reading *reading, enum part part)
{
	return reading->values[part].p != NULL;
}

static bool freq_is(const struct reading *reading, const char *name)
{
	return str_equals(reading->values[PART_FREQ], str_of(name));
}

static enum err check_freq(struct ctx *ctx, const struct reading *reading, bool has_ordinals)
{
	bool is_yearly = freq_is(reading, "YEARLY");
	bool is_monthly = freq_is(reading, "MONTHLY");
	bool is_weekly = freq_is(reading, "WEEKLY");
	if (!is_yearly && !is_monthly && !is_weekly && !freq_is(reading, "DAILY")) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"The rule needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; several times a day are "
			"FREQ=DAILY;BYHOUR=8,12");
	}
	if ((!is_yearly && (has(reading, PART_BYWEEKNO) || has(reading, PART_BYYEARDAY))) ||
		(is_weekly && has(reading, PART_BYMONTHDAY)) ||
		(has_ordinals && !is_yearly && !is_monthly) ||
		(has_ordinals && has(reading, PART_BYWEEKNO))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"The rule has a part that does not go with FREQ=%.*s",
			STR_ARG(reading->values[PART_FREQ]));
	}
	return ERR_OK;
}

static enum err check_parts(struct ctx *ctx, struct reading *reading)
{
	static const enum part lists[] = {PART_INTERVAL, PART_COUNT, PART_BYSECOND, PART_BYMINUTE,
		PART_BYHOUR, PART_BYMONTHDAY, PART_BYYEARDAY, PART_BYWEEKNO, PART_BYMONTH, PART_BYSETPOS};
	bool has_ordinals;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		struct numbers *set = lists[i] == PART_BYSECOND ? &reading->seconds
			: lists[i] == PART_BYMINUTE                 ? &reading->minutes
			: lists[i] == PART_BYHOUR                   ? &reading->hours
														: NULL;
		TRY(check_list(ctx, reading, lists[i], set, &has_ordinals));
	}
	TRY(check_list(ctx, reading, PART_BYDAY, NULL, &has_ordinals));
	TRY(check_freq(ctx, reading, has_ordinals));
	if (has(reading, PART_COUNT) && has(reading, PART_UNTIL)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule has both COUNT and UNTIL");
	}
	if (has(reading, PART_WKST) && !is_weekday(reading->values[PART_WKST])) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule's WKST is no day of the week");
	}
	return ERR_OK;
}

/* --- opening -------------------------------------------------------------------------------------------------- */

static size_t count_bits(uint64_t bits)
{
	return (size_t)__builtin_popcountll(bits);
}

static struct numbers or_one(struct numbers set, int otherwise)
{
	return set.bits != 0 ? set : (struct numbers){UINT64_C(1) << otherwise};
}

static enum err set_times(struct ctx *ctx, const struct reading *reading,
	struct recurrence *recurrence)
{
	const struct wall_time *start = &recurrence->start;
	uint64_t hours = or_one(reading->hours, start->hour).bits;
	uint64_t minutes = or_one(reading->minutes, start->minute).bits;
	uint64_t seconds = or_one(reading->seconds, start->second).bits;
	size_t a_day = count_bits(hours) * count_bits(minutes) * count_bits(seconds);
	if (a_day > RECURRENCE_A_DAY_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule comes more than %d times a day",
			(int)RECURRENCE_A_DAY_MAX);
	}
	if (a_day > 1 && has(reading, PART_BYSETPOS)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "BYSETPOS goes with one time of day");
	}
	for (int second_of_day = 0; second_of_day < 86400; second_of_day++) {
		int hour = second_of_day / 3600;
		int minute = second_of_day / 60 % 60;
		int second = second_of_day % 60;
		if ((hours >> hour & 1) != 0 && (minutes >> minute & 1) != 0 &&
			(seconds >> second & 1) != 0) {
			recurrence->times[recurrence->time_n++] =
				(struct wall_time){.hour = hour, .minute = minute, .second = second};
		}
	}
	return ERR_OK;
}

/* A date's whole day belongs to it. */
static enum err set_until(struct ctx *ctx, struct str text, struct recurrence *recurrence)
{
	struct wall_time wall;
	bool is_date;
	bool is_utc;
	struct zone *zone = recurrence->zone;
	recurrence->until_ms = INT64_MAX;
	if (text.p == NULL) {
		return ERR_OK;
	}
	if (!wall_time_read(text, &wall, &is_date, &is_utc) ||
		(is_utc && !zone_open(ctx->arena, STR("UTC"), &zone))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule's UNTIL is no date");
	}
	if (is_date) {
		wall.hour = 23;
		wall.minute = 59;
		wall.second = 59;
	}
	recurrence->until_ms = zone_to_ms(zone, &wall);
	return ERR_OK;
}

static void write_days(struct reading *reading)
{
	for (size_t i = 0; i < PART_COUNT_OF; i++) {
		bool is_ours = i == PART_COUNT || i == PART_UNTIL || i == PART_BYHOUR ||
			i == PART_BYMINUTE || i == PART_BYSECOND;
		if (reading->values[i].p != NULL && !is_ours) {
			buf_printf(&reading->days, "%s%.*s=%.*s", reading->days.n > 0 ? ";" : "",
				STR_ARG(parts[i].key), STR_ARG(reading->values[i]));
		}
	}
}

static void free_iterator(void *data)
{
	icalrecur_iterator_free(data);
}

static enum err open_days(struct ctx *ctx, struct reading *reading, struct recurrence *recurrence)
{
	const struct wall_time *start = &recurrence->start;
	struct icaltimetype day = icaltime_null_time();
	day.year = start->year;
	day.month = start->month;
	day.day = start->day;
	write_days(reading);
	struct icalrecurrencetype rule =
		icalrecurrencetype_from_string(str_cstr(ctx->arena, buf_str(&reading->days)));
	recurrence->iterator =
		rule.freq == ICAL_NO_RECURRENCE ? NULL : icalrecur_iterator_new(rule, day);
	if (recurrence->iterator == NULL) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule is none, or never comes");
	}
	arena_on_reset(ctx->arena, free_iterator, recurrence->iterator);
	return ERR_OK;
}

enum err recurrence_open(struct ctx *ctx, struct str rule, const struct wall_time *start,
	struct zone *zone, struct recurrence **out)
{
	struct reading reading CLEANUP(reading_fini) = {0};
	struct recurrence *recurrence = ARENA_NEW(ctx->arena, struct recurrence);
	*recurrence = (struct recurrence){.zone = zone, .start = *start, .left = INT64_MAX};
	if (rule.n > RECURRENCE_RULE_MAX_BYTES || str_has_nul(rule)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule has more than %d bytes",
			(int)RECURRENCE_RULE_MAX_BYTES);
	}
	if (start->year < YEAR_FIRST || start->year > YEAR_LAST) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A rule starts between %d and %d",
			(int)YEAR_FIRST, (int)YEAR_LAST);
	}
	buf_init(&reading.days, RECURRENCE_RULE_MAX_BYTES + 1);
	TRY(split_parts(ctx, rule, &reading));
	TRY(check_parts(ctx, &reading));
	TRY(set_times(ctx, &reading, recurrence));
	TRY(set_until(ctx, reading.values[PART_UNTIL], recurrence));
	TRY(open_days(ctx, &reading, recurrence));
	if (has(&reading, PART_COUNT)) {
		(void)read_number(reading.values[PART_COUNT], PART_COUNT, &recurrence->left);
	}
	recurrence->next_time = recurrence->time_n;
	*out = recurrence;
	return ERR_OK;
}

/* --- walking -------------------------------------------------------------------------------------------------- */

static bool next_day(struct recurrence *recurrence)
{
	struct icaltimetype day = icalrecur_iterator_next(recurrence->iterator);
	recurrence->day = (struct wall_time){.year = day.year, .month = day.month, .day = day.day};
	recurrence->next_time = 0;
	return !icaltime_is_null_time(day) && day.year <= YEAR_LAST;
}

bool recurrence_step(struct recurrence *recurrence, struct wall_time *out_wall, int64_t *out_ms)
{
	if (recurrence->left == 0) {
		return false;
	}
	for (;;) {
		if (recurrence->next_time == recurrence->time_n && !next_day(recurrence)) {
			break;
		}
		struct wall_time wall = recurrence->times[recurrence->next_time++];
		wall.year = recurrence->day.year;
		wall.month = recurrence->day.month;
		wall.day = recurrence->day.day;
		if (wall_time_compare(&wall, &recurrence->start) < 0) {
			continue;
		}
		int64_t at_ms = zone_to_ms(recurrence->zone, &wall);
		if (at_ms > recurrence->until_ms) {
			break;
		}
		recurrence->left--;
		*out_wall = wall;
		*out_ms = at_ms;
		return true;
	}
	recurrence->left = 0;
	return false;
}
