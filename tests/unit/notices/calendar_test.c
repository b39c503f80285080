/*
 * Calendars as schools and their programs write them, and what must not be taken.
 */
#include "tests/unit/base/check.h"

#include "base/buf.h"
#include "notices/calendar.h"

#define BEGIN "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//school//EN\r\n"
#define END "END:VCALENDAR\r\n"
#define EVENT(lines) "BEGIN:VEVENT\r\n" lines "END:VEVENT\r\n"

/* As Outlook defines it, under a name of its own. */
#define OUTLOOK_BERLIN \
	"BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\n" \
	"TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r\n" \
	"END:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\n" \
	"TZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n" \
	"END:VTIMEZONE\r\n"

struct world {
	struct arena *arena;
	struct ctx ctx;
	struct zone *utc;
	struct calendar calendar;
};

static void world_fini(struct world *world)
{
	arena_destroy(world->arena);
}

static int64_t at(struct world *world, int year, int month, int day)
{
	return zone_to_ms(world->utc, &(struct wall_time){.year = year, .month = month, .day = day});
}

/* Events of 2026 to 2027, on the clock of Taipei. */
static enum err read_calendar(struct world *world, struct str bytes)
{
	struct zone *taipei;
	world->arena = world->arena != NULL ? world->arena : arena_create();
	ctx_init(&world->ctx, world->arena);
	assert_true(zone_open(world->arena, STR("UTC"), &world->utc));
	assert_true(zone_open(world->arena, STR("Asia/Taipei"), &taipei));
	return calendar_read(&world->ctx, bytes, taipei, at(world, 2026, 1, 1), at(world, 2028, 1, 1),
		&world->calendar);
}

/* "id|title|2026-11-30 07:00-08:00", one a line; whole days by their dates; "(cancelled)" */
static const char *show(struct world *world)
{
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, 100000);
	for (size_t i = 0; i < world->calendar.count; i++) {
		const struct calendar_item *item = &world->calendar.items[i];
		const struct wall_time *a = &item->start;
		const struct wall_time *b = &item->end;
		buf_printf(&text, "%.*s|%.*s|%04d-%02d-%02d", STR_ARG(item->id), STR_ARG(item->title),
			a->year, a->month, a->day);
		if (item->is_days) {
			buf_printf(&text, "…%04d-%02d-%02d", b->year, b->month, b->day);
		} else {
			buf_printf(&text, " %02d:%02d-%02d:%02d", a->hour, a->minute, b->hour, b->minute);
		}
		buf_printf(&text, "%s\n", item->is_cancelled ? "(cancelled)" : "");
	}
	return str_cstr(world->arena, buf_str(&text));
}

struct vector {
	const char *what;
	struct str bytes;
	const char *shown;
};

static void check_vector(const struct vector *vector)
{
	struct world world CLEANUP(world_fini) = {0};
	if (read_calendar(&world, vector->bytes) != ERR_OK) {
		fail_msg("%s: %.*s", vector->what, STR_ARG(world.ctx.fault.text));
	}
	if (world.calendar.broken_count > 0) {
		fail_msg("%s: %.*s", vector->what, STR_ARG(world.calendar.broken));
	}
	if (strcmp(show(&world), vector->shown) != 0) {
		fail_msg("%s: is\n%snot\n%s", vector->what, show(&world), vector->shown);
	}
}

static void read__times__on_the_schools_clock(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"UTC",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART:20261130T230000Z\r\n"
								 "DTEND:20261201T000000Z\r\n") END),
			"a|x|2026-12-01 07:00-08:00\n"},
		{"floating",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART:20261130T070000\r\n"
								 "DURATION:PT1H30M\r\n") END),
			"a|x|2026-11-30 07:00-08:30\n"},
		{"a zone's name",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\n"
								 "DTSTART;TZID=Europe/London:20260701T090000\r\n") END),
			"a|x|2026-07-01 16:00-16:00\n"},
		{"a name behind a path",
			STR_INIT(
				BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART;TZID=\"/freeassociation.sourceforge.net"
							"/Europe/London\":20260101T090000\r\n") END),
			"a|x|2026-01-01 17:00-17:00\n"},
		{"a zone of the file, winter and summer",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\n"
								 "DTSTART;TZID=W. Europe Standard Time:20260328T120000\r\n"
								 "RRULE:FREQ=DAILY;COUNT=2\r\n") OUTLOOK_BERLIN END),
			"a 20260328T110000Z|x|2026-03-28 19:00-19:00\n"
			"a 20260329T100000Z|x|2026-03-29 18:00-18:00\n"},
		{"a jump that leaves it out, in a zone of the file",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\n"
								 "DTSTART;TZID=W. Europe Standard Time:20260329T023000\r\n")
					OUTLOOK_BERLIN END),
			"a|x|2026-03-29 09:30-09:30\n"},
		{"a time that comes twice, in a zone of the file",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\n"
								 "DTSTART;TZID=W. Europe Standard Time:20261025T023000\r\n")
					OUTLOOK_BERLIN END),
			"a|x|2026-10-25 08:30-08:30\n"},
		{"a day",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART;VALUE=DATE:20260928\r\n") END),
			"a|x|2026-09-28…2026-09-28\n"},
		{"days, with the day after the last",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART;VALUE=DATE:20270206\r\n"
								 "DTEND;VALUE=DATE:20270215\r\n") END),
			"a|x|2027-02-06…2027-02-14\n"},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		check_vector(&vectors[i]);
	}
}

static void read__repeated__each_occurrence_by_what_counts_for_it(void **state)
{
	(void)state;
	static const struct vector vectors[] = {
		{"rule, one left out, one more",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART:20261207T080000\r\n"
								 "RRULE:FREQ=WEEKLY;COUNT=3\r\nEXDATE:20261214T080000\r\n"
								 "RDATE:20261209T080000,20261207T080000\r\n") END),
			"a 20261207T000000Z|x|2026-12-07 08:00-08:00\n"
			"a 20261209T000000Z|x|2026-12-09 08:00-08:00\n"
			"a 20261221T000000Z|x|2026-12-21 08:00-08:00\n"},
		{"moved and cancelled ones",
			STR_INIT(
				BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART;TZID=Asia/Taipei:20261207T080000\r\n"
							"DTEND;TZID=Asia/Taipei:20261207T090000\r\n"
							"RRULE:FREQ=WEEKLY;UNTIL=20261221T000000Z\r\n")
					EVENT("UID:a\r\nSUMMARY:moved\r\nRECURRENCE-ID:20261214T000000Z\r\n"
						  "DTSTART:20261216T000000Z\r\nDTEND:20261216T020000Z\r\n")
						EVENT("UID:a\r\nSUMMARY:x\r\nSTATUS:CANCELLED\r\n"
							  "RECURRENCE-ID;TZID=Asia/Taipei:20261221T080000\r\n"
							  "DTSTART;TZID=Asia/Taipei:20261221T080000\r\n") END),
			"a 20261207T000000Z|x|2026-12-07 08:00-09:00\n"
			"a 20261214T000000Z|moved|2026-12-16 08:00-10:00\n"
			"a 20261221T000000Z|x|2026-12-21 08:00-08:00(cancelled)\n"},
		{"the newest of two",
			STR_INIT(
				BEGIN EVENT("UID:a\r\nSEQUENCE:2\r\nSUMMARY:new\r\nDTSTART:20261207T080000\r\n")
					EVENT("UID:a\r\nSEQUENCE:1\r\nSUMMARY:old\r\nDTSTART:20261208T080000\r\n") END),
			"a|new|2026-12-07 08:00-08:00\n"},
		{"a day that comes every year, since long ago",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:校慶\r\nDTSTART;VALUE=DATE:19281115\r\n"
								 "RRULE:FREQ=YEARLY\r\n") END),
			"a 20261114T160000Z|校慶|2026-11-15…2026-11-15\n"
			"a 20271114T160000Z|校慶|2027-11-15…2027-11-15\n"},
		{"the start, which the rule leaves out",
			STR_INIT(BEGIN EVENT("UID:a\r\nSUMMARY:x\r\nDTSTART:20261208T080000\r\n"
								 "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20261214\r\n") END),
			"a 20261208T000000Z|x|2026-12-08 08:00-08:00\n"
			"a 20261214T000000Z|x|2026-12-14 08:00-08:00\n"},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		check_vector(&vectors[i]);
	}
}

static void read__texts__unfolded_and_without_escapes(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	static const char bytes[] = "\xef\xbb\xbf" BEGIN "X-WR-CALNAME:臺北國小行事曆\r\n" EVENT(
		"UID:a\r\nDTSTART:20261207T080000\r\nSUMMARY;LANGUAGE=\"zh:TW\":運動\r\n 會\\, 全校\r\n"
		"DESCRIPTION:第一行\\n第二行\\;\r\n"
		"LOCATION:操場\r\nBEGIN:VALARM\r\nDESCRIPTION:not this\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n")
		EVENT("UID:b\r\nDTSTART:20261208T080000\r\nSUMMARY:b\r\n"
			  "DESCRIPTION:<p>Bring <b>water</b></p><br>Thanks\r\n") END;
	assert_int_equal(read_calendar(&world, str_of(bytes)), ERR_OK);
	const struct calendar *calendar = &world.calendar;
	assert_int_equal(calendar->count, 2);
	assert_true(str_equals(calendar->title, STR("臺北國小行事曆")));
	assert_true(str_equals(calendar->items[0].title, STR("運動會, 全校")));
	assert_true(str_equals(calendar->items[0].text, STR("第一行\n第二行;")));
	assert_true(str_equals(calendar->items[0].location, STR("操場")));
	assert_true(str_equals(calendar->items[1].text, STR("Bring water\nThanks")));
}

static void read__broken_events__named_and_the_others_are_there(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	static const char bytes[] = BEGIN EVENT(
		"UID:a\r\nSUMMARY:Leap\r\nDTSTART:20260101T080000\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n")
		EVENT("UID:b\r\nSUMMARY:x\r\nDTSTART;TZID=Mars/Phobos:20261207T080000\r\n") EVENT(
			"UID:c\r\nSUMMARY:x\r\n") EVENT("UID:d\r\nSUMMARY:x\r\nDTSTART:20261207T080000\r\n"
											"DTEND:20261207T070000\r\n")
			EVENT("UID:e\r\nSUMMARY:x\r\nDTSTART:20261207T080000\r\nRRULE:FREQ=SECONDLY\r\n")
				EVENT("UID:f\r\nSUMMARY:good\r\nDTSTART:20261207T080000\r\n") END;
	assert_int_equal(read_calendar(&world, str_of(bytes)), ERR_OK);
	assert_string_equal(show(&world), "f|good|2026-12-07 08:00-08:00\n");
	assert_int_equal(world.calendar.broken_count, 5);
	assert_int_equal(world.calendar.event_count, 6);
	assert_true(str_starts_with(world.calendar.broken, STR("'Leap': ")));
}

static void read__none__refused(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		const char *text;
	} vectors[] = {
		{"<rss/>", "first line"},
		{"", "first line"},
		{BEGIN EVENT("UID:a\r\nDTSTART:20261207T080000\r\n"), "ends in the middle"},
		{BEGIN EVENT("UID:a\r\nSUMMARY:\xff\r\n") END, "UTF-8"},
		{BEGIN EVENT(
			 "UID:a\r\nDTSTART:19700101T000000\r\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,"
			 "9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\r\n")
				EVENT(
					"UID:b\r\nDTSTART:19700101T000000\r\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,"
					"9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\r\n")
					EVENT(
						"UID:c\r\nDTSTART:19700101T000000\r\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,"
						"7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\r\n") END,
			"start later"},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		struct world world CLEANUP(world_fini) = {0};
		assert_int_equal(read_calendar(&world, str_of(vectors[i].bytes)), ERR_INPUT);
		if (!str_contains(world.ctx.fault.text, str_of(vectors[i].text))) {
			fail_msg("%zu: %.*s", i, STR_ARG(world.ctx.fault.text));
		}
	}
}

/* 2,000 lessons a week of a big school, and far too many events. */
static void read__large__cut_or_refused(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	struct buf bytes CLEANUP(buf_fini) = {0};
	buf_init(&bytes, CALENDAR_MAX_BYTES + 1);
	buf_add_lit(&bytes, BEGIN);
	for (int i = 0; i < 2000; i++) {
		buf_printf(&bytes, EVENT("UID:%d\r\nSUMMARY:lesson\r\nDTSTART:20260901T0%d1500\r\n"), i,
			i % 10);
	}
	size_t n = bytes.n;
	buf_add_lit(&bytes, END);
	assert_int_equal(read_calendar(&world, buf_str(&bytes)), ERR_OK);
	assert_int_equal(world.calendar.count, CALENDAR_ITEMS_MAX);
	assert_true(world.calendar.is_cut);
	bytes.n = n;
	for (int i = 0; i < CALENDAR_EVENTS_MAX; i++) {
		buf_add_lit(&bytes, EVENT("UID:a\r\n"));
	}
	buf_add_lit(&bytes, END);
	assert_int_equal(read_calendar(&world, buf_str(&bytes)), ERR_INPUT);
	bytes.n = n;
	char *rest = buf_extend(&bytes, CALENDAR_MAX_BYTES + 1 - n);
	memset(rest, ' ', CALENDAR_MAX_BYTES + 1 - n);
	assert_int_equal(read_calendar(&world, buf_str(&bytes)), ERR_INPUT);
	assert_true(str_contains(world.ctx.fault.text, STR("8 MiB")));
}

/* Each of the rules comes seldom, so what it costs is not what is found. */
static void read__many_rules_that_come_seldom__refused(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	struct buf bytes CLEANUP(buf_fini) = {0};
	buf_init(&bytes, CALENDAR_MAX_BYTES);
	buf_add_lit(&bytes, BEGIN);
	for (int i = 0; i < 750; i++) {
		buf_printf(&bytes,
			EVENT("UID:%d\r\nDTSTART:19720101T080000\r\n"
				  "RRULE:FREQ=YEARLY;BYYEARDAY=60;BYMONTHDAY=29;BYDAY=SU\r\n"),
			i);
	}
	buf_add_lit(&bytes, END);
	assert_int_equal(read_calendar(&world, buf_str(&bytes)), ERR_INPUT);
	assert_true(str_contains(world.ctx.fault.text, STR("start later")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__times__on_the_schools_clock),
		cmocka_unit_test(read__repeated__each_occurrence_by_what_counts_for_it),
		cmocka_unit_test(read__texts__unfolded_and_without_escapes),
		cmocka_unit_test(read__broken_events__named_and_the_others_are_there),
		cmocka_unit_test(read__none__refused),
		cmocka_unit_test(read__large__cut_or_refused),
		cmocka_unit_test(read__many_rules_that_come_seldom__refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
