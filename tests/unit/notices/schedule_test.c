/*
 * Schedules against vectors: rules of RFC 5545, jumps of clocks, what is refused.
 */
#include "tests/unit/base/check.h"

#include "base/clock.h"
#include "notices/schedule.h"

enum { SHOWN = 5 };

struct vector {
	const char *start;
	const char *zone;
	const char *rule;
	const char *except;     /* one */
	const char *utc[SHOWN]; /* the first ones; fewer: then it ends */
};

/* Writes all moments, in UTC. */
static void check_vector(const struct vector *vector)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct schedule *schedule;
	struct schedule *utc;
	const struct str except = str_of(vector->except);
	ctx_init(&ctx, arena);
	const struct schedule_text text = {.start = str_of(vector->start),
		.zone = str_of(vector->zone),
		.rule = str_of(vector->rule),
		.except = &except,
		.except_count = vector->except != NULL ? 1 : 0};
	const struct schedule_text in_utc = {.start = STR("2026-01-01T00:00"), .zone = STR("UTC")};
	assert_int_equal(schedule_open(&ctx, &in_utc, &utc), ERR_OK);
	if (schedule_open(&ctx, &text, &schedule) != ERR_OK) {
		fail_msg("%s: %.*s", vector->rule, STR_ARG(ctx.fault.text));
	}
	int64_t at_ms = INT64_MIN;
	for (size_t i = 0; i < SHOWN; i++) {
		assert_int_equal(schedule_next(&ctx, schedule, at_ms, &at_ms), ERR_OK);
		const char *shown = at_ms < 0 ? "" : str_cstr(arena, schedule_show(&ctx, utc, at_ms));
		const char *wanted = vector->utc[i] != NULL ? vector->utc[i] : "";
		if (strcmp(shown, wanted) != 0) {
			fail_msg("%s, %s: number %zu is %s, not %s", vector->start,
				vector->rule != NULL ? vector->rule : "once", i, shown, wanted);
		}
		if (at_ms < 0) {
			return;
		}
	}
}

static void next__rules__as_the_rfc_has_them(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"2026-11-30T07:00", "Asia/Taipei", NULL, NULL, {"2026-11-29 23:00"}},
		{"2026-11-30T07:00Z", "Asia/Taipei", NULL, NULL, {"2026-11-30 07:00"}},
		{"20261130T070000", "Asia/Taipei", "FREQ=WEEKLY;BYDAY=MO;COUNT=3", NULL,
			{"2026-11-29 23:00", "2026-12-06 23:00", "2026-12-13 23:00"}},
		{"2026-11-26 07:00", "Asia/Taipei", "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261204", NULL,
			{"2026-11-25 23:00", "2026-11-29 23:00", "2026-12-02 23:00"}},
		{"2026-11-30T07:00", "Asia/Taipei", "FREQ=DAILY;UNTIL=20261201T230000Z", NULL,
			{"2026-11-29 23:00", "2026-11-30 23:00", "2026-12-01 23:00"}},
		{"2026-11-30T07:00", "Asia/Taipei", "FREQ=DAILY;COUNT=4", "2026-12-01",
			{"2026-11-29 23:00", "2026-12-01 23:00", "2026-12-02 23:00"}},
		{"2026-11-30T07:00", "Asia/Taipei", "FREQ=DAILY;COUNT=3", "20261201T070000",
			{"2026-11-29 23:00", "2026-12-01 23:00"}},
		{"2026-11-30T07:00", "Asia/Taipei", "FREQ=DAILY;COUNT=2", "2026-12-01T08:00",
			{"2026-11-29 23:00", "2026-11-30 23:00"}},
		{"2026-01-31T12:00", "UTC", "FREQ=MONTHLY;COUNT=3", NULL,
			{"2026-01-31 12:00", "2026-03-31 12:00", "2026-05-31 12:00"}},
		{"2026-01-01T12:00", "UTC", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", NULL,
			{"2026-01-31 12:00", "2026-02-28 12:00", "2026-03-31 12:00"}},
		{"2026-01-01T12:00", "UTC", "FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=2;COUNT=2", NULL,
			{"2026-01-30 12:00", "2026-03-27 12:00"}},
		{"2026-01-01T12:00", "UTC", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", NULL,
			{"2026-01-30 12:00", "2026-02-27 12:00"}},
		{"2026-01-01T12:00", "UTC", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=2", NULL,
			{"2028-02-29 12:00", "2032-02-29 12:00"}},
		{"2026-01-01T00:00", "UTC", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=2", NULL,
			{"2026-05-11 00:00", "2027-05-17 00:00"}},
		{"2026-11-30T12:00", "UTC", "FREQ=DAILY;BYHOUR=8,12,16;COUNT=4", NULL,
			{"2026-11-30 12:00", "2026-11-30 16:00", "2026-12-01 08:00", "2026-12-01 12:00"}},
		{"2026-11-30T12:00", "UTC", "FREQ=WEEKLY;WKST=SU;INTERVAL=2;BYDAY=SU,TU;COUNT=3", NULL,
			{"2026-12-01 12:00", "2026-12-13 12:00", "2026-12-15 12:00"}},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		check_vector(&vectors[i]);
	}
}

/* Germany: 29 March 2026, 02:00 → 03:00; 25 October 2026, 03:00 → 02:00. Taiwan had summer time until 1979. */
static void next__clock_jumps__once_each_at_the_right_moment(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"2026-03-28T07:00", "Europe/Berlin", "FREQ=DAILY;COUNT=3", NULL,
			{"2026-03-28 06:00", "2026-03-29 05:00", "2026-03-30 05:00"}},
		{"2026-03-28T02:30", "Europe/Berlin", "FREQ=DAILY;COUNT=3", NULL,
			{"2026-03-28 01:30", "2026-03-29 01:30", "2026-03-30 00:30"}},
		{"2026-10-24T02:30", "Europe/Berlin", "FREQ=DAILY;COUNT=3", NULL,
			{"2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30"}},
		{"2026-03-29T02:30", "Europe/Berlin", NULL, NULL, {"2026-03-29 01:30"}},
		{"2026-10-25T02:30", "Europe/Berlin", NULL, NULL, {"2026-10-25 00:30"}},
		/* 02:00 and 02:30 are left out, and become 03:00 and 03:30, which are in the rule too. */
		{"2026-03-29T02:00", "Europe/Berlin", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;UNTIL=20260329",
			NULL, {"2026-03-29 01:00", "2026-03-29 01:30"}},
		{"2026-03-29T02:30", "Europe/Berlin", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;UNTIL=20260329",
			NULL, {"2026-03-29 01:00", "2026-03-29 01:30"}},
		{"1979-06-30T23:30", "Asia/Taipei", "FREQ=DAILY;COUNT=2", NULL,
			{"1979-06-30 15:30", "1979-07-01 14:30"}},
		{"2026-04-05T02:30", "Australia/Lord_Howe", NULL, NULL, {"2026-04-04 16:00"}},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		check_vector(&vectors[i]);
	}
}

static void next__after_a_moment__strictly_later(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct schedule *schedule;
	int64_t first_ms;
	int64_t at_ms;
	ctx_init(&ctx, arena);
	const struct schedule_text text = {.start = STR("2020-01-01T00:00"),
		.zone = STR("UTC"),
		.rule = STR("FREQ=DAILY")};
	assert_int_equal(schedule_open(&ctx, &text, &schedule), ERR_OK);
	assert_int_equal(schedule_next(&ctx, schedule, INT64_MIN, &first_ms), ERR_OK);
	assert_int_equal(first_ms, INT64_C(1577836800000));
	assert_int_equal(schedule_next(&ctx, schedule, first_ms - 1, &at_ms), ERR_OK);
	assert_int_equal(at_ms, first_ms);
	assert_int_equal(schedule_next(&ctx, schedule, first_ms, &at_ms), ERR_OK);
	assert_int_equal(at_ms, first_ms + 86400000);
	int64_t later_ms = first_ms + INT64_C(86400000) * 3000;
	assert_int_equal(schedule_next(&ctx, schedule, later_ms + 5, &at_ms), ERR_OK);
	assert_int_equal(at_ms, later_ms + 86400000);
}

static void open__wrong__refused_with_a_reason(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"2026-11-30T07:00", "Mars/Olympus", NULL, NULL, {"time zone"}},
		{"2026-11-30T07:00", "GMT+25", NULL, NULL, {"time zone"}},
		{"2026-11-30T07:00", "", NULL, NULL, {"time zone"}},
		{"2026-02-30T07:00", "UTC", NULL, NULL, {"no date with time"}},
		{"2026-11-30", "UTC", NULL, NULL, {"no date with time"}},
		{"2026-11-30T24:00", "UTC", NULL, NULL, {"no date with time"}},
		{"20261130T0700", "UTC", NULL, NULL, {"no date with time"}},
		{"tomorrow", "UTC", NULL, NULL, {"no date with time"}},
		{"2026-11-30T07:00", "UTC", "", NULL, {"FREQ"}},
		{"2026-11-30T07:00", "UTC", "BYDAY=MO", NULL, {"FREQ"}},
		{"2026-11-30T07:00", "UTC", "FREQ=HOURLY", NULL, {"BYHOUR"}},
		{"2026-11-30T07:00", "UTC", "FREQ=SECONDLY", NULL, {"BYHOUR"}},
		{"2026-11-30T07:00", "UTC", "freq=daily", NULL, {"no part"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;FREQ=DAILY", NULL, {"twice"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;COUNT=1;UNTIL=20270101", NULL, {"both"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;COUNT=0", NULL, {"COUNT=0"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;INTERVAL=1001", NULL, {"INTERVAL"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;BYHOUR=24", NULL, {"BYHOUR"}},
		{"2026-11-30T07:00", "UTC", "FREQ=WEEKLY;BYDAY=XX", NULL, {"BYDAY"}},
		{"2026-11-30T07:00", "UTC", "FREQ=WEEKLY;BYDAY=MO,", NULL, {"BYDAY"}},
		{"2026-11-30T07:00", "UTC", "FREQ=WEEKLY;BYDAY=2MO", NULL, {"does not go"}},
		{"2026-11-30T07:00", "UTC", "FREQ=MONTHLY;BYMONTHDAY=0", NULL, {"BYMONTHDAY"}},
		{"2026-11-30T07:00", "UTC", "FREQ=MONTHLY;BYMONTHDAY=-32", NULL, {"BYMONTHDAY"}},
		{"2026-11-30T07:00", "UTC", "FREQ=WEEKLY;WKST=X", NULL, {"WKST"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;UNTIL=soon", NULL, {"UNTIL"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;UNTIL=20250101", NULL, {"never"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", NULL,
			{"times a day"}},
		{"2026-11-30T07:00", "UTC", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", NULL, {"never"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1,2,3,4,5,6", NULL,
			{"never"}},
		{"2026-11-30T07:00", "UTC", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300", NULL, {"never"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY;COUNT=1", "2026-11-30", {"never"}},
		{"2026-11-30T07:00", "UTC", "FREQ=DAILY", "Christmas", {"left out"}},
		{"1492-11-30T07:00", "UTC", "FREQ=DAILY", NULL, {"between"}},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		struct schedule *schedule;
		const struct str except = str_of(vectors[i].except);
		ctx_init(&ctx, arena);
		const struct schedule_text text = {.start = str_of(vectors[i].start),
			.zone = str_of(vectors[i].zone),
			.rule = str_of(vectors[i].rule),
			.except = &except,
			.except_count = vectors[i].except != NULL ? 1 : 0};
		enum err err = schedule_open(&ctx, &text, &schedule);
		if (err != ERR_INPUT || !str_contains(ctx.fault.text, str_of(vectors[i].utc[0]))) {
			fail_msg("%s %s: %d %.*s", vectors[i].start, vectors[i].rule, (int)err,
				STR_ARG(ctx.fault.text));
		}
	}
}

static void next__too_many_before__refused_in_time(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct schedule *schedule;
	int64_t at_ms;
	ctx_init(&ctx, arena);
	const struct schedule_text text = {.start = STR("1970-01-01T00:00"),
		.zone = STR("Europe/Berlin"),
		.rule =
			STR("FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23")};
	assert_int_equal(schedule_open(&ctx, &text, &schedule), ERR_OK);
	assert_int_equal(schedule_next(&ctx, schedule, INT64_C(1800000000000), &at_ms), ERR_INPUT);
	assert_true(str_contains(ctx.fault.text, STR("start later")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next__rules__as_the_rfc_has_them),
		cmocka_unit_test(next__clock_jumps__once_each_at_the_right_moment),
		cmocka_unit_test(next__after_a_moment__strictly_later),
		cmocka_unit_test(open__wrong__refused_with_a_reason),
		cmocka_unit_test(next__too_many_before__refused_in_time),
	};
	return RUN_ALL(tests);
}
