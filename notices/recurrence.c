/*
 * The rule is read here, strictly, part by part. Its days are walked over by themselves, and each is given the rule's times.
 */
#include "notices/recurrence.h"

#include <string.h>

#include "matrix/errcode.h"
#include "notices/recurrence_days.h"

enum {
	COUNT_MAX = 100000,
	INTERVAL_MAX = 1000,
	YEAR_FIRST = 1970,
	DAYS_A_STEP =
		16, /* that are looked at in the time that an occurrence takes, with its look into the zone */
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

struct recurrence {
	struct zone *zone;
	struct wall_time start;
	struct wall_time times[RECURRENCE_A_DAY_MAX]; /* of a day, in order */
	size_t time_n;
	int64_t until_ms;
	int64_t left; /* of COUNT */
	struct days_walk walk;
	struct wall_time day;
	size_t next_time; /* time_n: the day is done */
};

/* What the parts of a rule say. */
struct reading {
	struct str values[PART_COUNT_OF]; /* p == NULL: not given */
	struct number_set lists[PART_COUNT_OF];
	struct number_set weekdays[7];
	bool has_ordinals;
};

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

/* @return 0: Monday; -1: none */
static int weekday_of(struct str text)
{
	static const char *const days[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
	for (size_t i = 0; i < COUNT_OF(days); i++) {
		if (str_equals(text, str_of(days[i]))) {
			return (int)i;
		}
	}
	return -1;
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

static bool read_day(struct str text, struct reading *reading)
{
	int64_t number = 0;
	struct str ordinal = str_slice(text, 0, text.n >= 2 ? text.n - 2 : 0);
	int weekday = weekday_of(str_slice(text, ordinal.n, text.n));
	if (weekday < 0 || (ordinal.n > 0 && !read_number(ordinal, PART_BYDAY, &number))) {
		return false;
	}
	reading->has_ordinals = reading->has_ordinals || ordinal.n > 0;
	number_set_add(&reading->weekdays[weekday], (int)number);
	return true;
}

static bool read_item(struct str text, enum part part, struct reading *reading)
{
	int64_t number;
	if (part == PART_BYDAY) {
		return read_day(text, reading);
	}
	if (!read_number(text, part, &number)) {
		return false;
	}
	number_set_add(&reading->lists[part], (int)number);
	return true;
}

static enum err fail_part(struct ctx *ctx, const struct reading *reading, enum part part)
{
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule's %.*s=%.*s is none",
		STR_ARG(parts[part].key), STR_ARG(reading->values[part]));
}

static enum err read_list(struct ctx *ctx, struct reading *reading, enum part part)
{
	struct str list = reading->values[part];
	while (list.p != NULL && list.n > 0) {
		struct str item;
		bool has_more = str_split(list, ',', &item, &list);
		if (!read_item(item, part, reading) || (has_more && list.n == 0)) {
			return fail_part(ctx, reading, part);
		}
	}
	return ERR_OK;
}

/* @param out  left as it is when the part is not given */
static enum err read_single(struct ctx *ctx, const struct reading *reading, enum part part,
	int64_t *out)
{
	struct str value = reading->values[part];
	return value.p == NULL || read_number(value, part, out) ? ERR_OK
															: fail_part(ctx, reading, part);
}

static bool has(const struct reading *reading, enum part part)
{
	return reading->values[part].p != NULL;
}

static bool freq_is(const struct reading *reading, const char *name)
{
	return str_equals(reading->values[PART_FREQ], str_of(name));
}

static enum err check_freq(struct ctx *ctx, const struct reading *reading)
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
		(reading->has_ordinals && !is_yearly && !is_monthly) ||
		(reading->has_ordinals && has(reading, PART_BYWEEKNO))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"The rule has a part that does not go with FREQ=%.*s",
			STR_ARG(reading->values[PART_FREQ]));
	}
	return ERR_OK;
}

static enum err read_parts(struct ctx *ctx, struct reading *reading)
{
	static const enum part lists[] = {PART_BYSECOND, PART_BYMINUTE, PART_BYHOUR, PART_BYDAY,
		PART_BYMONTHDAY, PART_BYYEARDAY, PART_BYWEEKNO, PART_BYMONTH, PART_BYSETPOS};
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		TRY(read_list(ctx, reading, lists[i]));
	}
	TRY(check_freq(ctx, reading));
	if (has(reading, PART_COUNT) && has(reading, PART_UNTIL)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule has both COUNT and UNTIL");
	}
	if (has(reading, PART_WKST) && weekday_of(reading->values[PART_WKST]) < 0) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule's WKST is no day of the week");
	}
	return ERR_OK;
}

/* --- opening -------------------------------------------------------------------------------------------------- */

static size_t count_bits(uint64_t bits)
{
	return (size_t)__builtin_popcountll(bits);
}

static int first_bit(uint64_t bits)
{
	return __builtin_ctzll(bits);
}

/* Of hours, minutes or seconds; a bit each. */
static uint64_t or_one(const struct number_set *set, int otherwise)
{
	return set->is_given ? set->from_first[0] : UINT64_C(1) << otherwise;
}

static enum err set_times(struct ctx *ctx, const struct reading *reading,
	struct recurrence *recurrence)
{
	const struct wall_time *start = &recurrence->start;
	uint64_t hours = or_one(&reading->lists[PART_BYHOUR], start->hour);
	uint64_t minutes = or_one(&reading->lists[PART_BYMINUTE], start->minute);
	uint64_t seconds = or_one(&reading->lists[PART_BYSECOND], start->second);
	size_t a_day = count_bits(hours) * count_bits(minutes) * count_bits(seconds);
	if (a_day > RECURRENCE_A_DAY_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule comes more than %d times a day",
			(int)RECURRENCE_A_DAY_MAX);
	}
	if (a_day > 1 && has(reading, PART_BYSETPOS)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "BYSETPOS goes with one time of day");
	}
	for (uint64_t h = hours; h != 0; h &= h - 1) {
		for (uint64_t m = minutes; m != 0; m &= m - 1) {
			for (uint64_t s = seconds; s != 0; s &= s - 1) {
				recurrence->times[recurrence->time_n++] = (struct wall_time){.hour = first_bit(h),
					.minute = first_bit(m),
					.second = first_bit(s)};
			}
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

static enum days_period period_of(const struct reading *reading)
{
	return freq_is(reading, "YEARLY") ? DAYS_YEARLY
		: freq_is(reading, "MONTHLY") ? DAYS_MONTHLY
		: freq_is(reading, "WEEKLY")  ? DAYS_WEEKLY
									  : DAYS_DAILY;
}

static bool next_day(struct recurrence *recurrence)
{
	recurrence->next_time = 0;
	return days_walk_next(&recurrence->walk, &recurrence->day);
}

static enum err open_days(struct ctx *ctx, const struct reading *reading,
	struct recurrence *recurrence)
{
	struct days_rule rule = {.period = period_of(reading),
		.week_start = has(reading, PART_WKST) ? weekday_of(reading->values[PART_WKST]) : 0,
		.months = reading->lists[PART_BYMONTH],
		.weeks = reading->lists[PART_BYWEEKNO],
		.year_days = reading->lists[PART_BYYEARDAY],
		.month_days = reading->lists[PART_BYMONTHDAY],
		.has_weekdays = has(reading, PART_BYDAY),
		.positions = reading->lists[PART_BYSETPOS]};
	int64_t interval = 1;
	TRY(read_single(ctx, reading, PART_INTERVAL, &interval));
	rule.interval = (int)interval;
	memcpy(rule.weekdays, reading->weekdays, sizeof(rule.weekdays));
	days_walk_init(&recurrence->walk, &rule, &recurrence->start);
	if (!next_day(recurrence)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule never comes");
	}
	return ERR_OK;
}

enum err recurrence_open(struct ctx *ctx, struct str rule, const struct wall_time *start,
	struct zone *zone, struct recurrence **out)
{
	struct reading reading = {0};
	struct recurrence *recurrence = ARENA_NEW(ctx->arena, struct recurrence);
	*recurrence = (struct recurrence){.zone = zone, .start = *start, .left = INT64_MAX};
	if (rule.n > RECURRENCE_RULE_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The rule has more than %d bytes",
			(int)RECURRENCE_RULE_MAX_BYTES);
	}
	if (start->year < YEAR_FIRST || start->year > DAYS_YEAR_LAST) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A rule starts between %d and %d",
			(int)YEAR_FIRST, (int)DAYS_YEAR_LAST);
	}
	TRY(split_parts(ctx, rule, &reading));
	TRY(read_parts(ctx, &reading));
	TRY(set_times(ctx, &reading, recurrence));
	TRY(set_until(ctx, reading.values[PART_UNTIL], recurrence));
	TRY(read_single(ctx, &reading, PART_COUNT, &recurrence->left));
	TRY(open_days(ctx, &reading, recurrence));
	*out = recurrence;
	return ERR_OK;
}

/* --- walking -------------------------------------------------------------------------------------------------- */

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

size_t recurrence_cost(const struct recurrence *recurrence)
{
	return (size_t)(recurrence->walk.looked / DAYS_A_STEP);
}
