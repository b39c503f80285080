/*
 * Which part of a file is sent, for all forms of the headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/range.h"

#define ETAG STR("\"abc\"")

struct expectation {
	const char *range;
	uint64_t size;
	int status;
	uint64_t begin;
	uint64_t bytes;
};

static void range__every_form__gives_its_part(void **state)
{
	(void)state;
	static const struct expectation cases[] = {
		{"bytes=0-0", 10, 206, 0, 1},
		{"bytes=0-", 10, 206, 0, 10},
		{"bytes=2-4", 10, 206, 2, 3},
		{"bytes=9-9", 10, 206, 9, 1},
		{"bytes=5-99", 10, 206, 5, 5},
		{"bytes=0-99999999999999999999999", 10, 206, 0, 10},
		{"bytes=-3", 10, 206, 7, 3},
		{"bytes=-99", 10, 206, 0, 10},
		{"BYTES=1-2", 10, 206, 1, 2},
		{"bytes= 1-2 ", 10, 206, 1, 2},
		{"bytes=007-8", 10, 206, 7, 2},
		{"bytes=10-", 10, 416, 0, 0},
		{"bytes=99999999999999999999999-", 10, 416, 0, 0},
		{"bytes=-0", 10, 416, 0, 0},
		{"bytes=0-", 0, 416, 0, 0},
		{"bytes=-1", 0, 416, 0, 0},
		{"bytes=4-2", 10, 200, 0, 10},
		{"bytes=0-1,3-4", 10, 200, 0, 10},
		{"bytes=a-b", 10, 200, 0, 10},
		{"bytes=+1-2", 10, 200, 0, 10},
		{"bytes=-", 10, 200, 0, 10},
		{"bytes=", 10, 200, 0, 10},
		{"bytes", 10, 200, 0, 10},
		{"lines=1-2", 10, 200, 0, 10},
		{"", 10, 200, 0, 10},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct range_request request = {.range = str_of(cases[i].range)};
		struct range range = range_choose(&request, ETAG, cases[i].size);
		if (range.status != cases[i].status || range.begin != cases[i].begin ||
			range.bytes != cases[i].bytes) {
			print_error("case %zu: %s\n", i, cases[i].range);
		}
		assert_int_equal(range.status, cases[i].status);
		assert_int_equal(range.begin, cases[i].begin);
		assert_int_equal(range.bytes, cases[i].bytes);
	}
}

static int status_of(struct range_request request, struct str etag)
{
	return range_choose(&request, etag, 10).status;
}

static void range__conditions__decide_first(void **state)
{
	(void)state;
	const struct str part = STR("bytes=1-2");
	assert_int_equal(status_of((struct range_request){.if_none_match = ETAG}, ETAG), 304);
	assert_int_equal(status_of((struct range_request){.if_none_match = STR("*")}, ETAG), 304);
	assert_int_equal(
		status_of((struct range_request){.if_none_match = STR("\"x\", W/\"abc\"")}, ETAG), 304);
	assert_int_equal(status_of((struct range_request){.if_none_match = STR("\"x\"")}, ETAG), 200);
	assert_int_equal(status_of((struct range_request){.if_none_match = STR("*")}, (struct str){0}),
		200);
	assert_int_equal(status_of((struct range_request){.if_none_match = ETAG, .range = part}, ETAG),
		304);
	assert_int_equal(status_of((struct range_request){.if_range = ETAG, .range = part}, ETAG), 206);
	assert_int_equal(
		status_of((struct range_request){.if_range = STR("\"old\""), .range = part}, ETAG), 200);
	assert_int_equal(
		status_of((struct range_request){.if_range = STR("W/\"abc\""), .range = part}, ETAG), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range__every_form__gives_its_part),
		cmocka_unit_test(range__conditions__decide_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
