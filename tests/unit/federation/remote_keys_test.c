/*
 * What another server tells of keys is as long as it likes, and what a user asks for as long as a body: looking for the one in the other
 * costs each of them, not one times the other.
 */
#include "federation/remote_keys.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "base/buf.h"
#include "tests/support/cpu_time.h"

enum { MANY = 20000 };

/* `before`, so many of `item` with other numbers from `first` on, `after`. */
static struct json numbered(struct arena *arena, const char *before, const char *item, int first,
	const char *after)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 24);
	buf_add(&buf, str_of(before));
	for (int i = 0; i < MANY; i++) {
		const char *number = arena_printf(arena, "%08d", first + i);
		struct str name;
		struct str rest;
		assert_true(str_split(str_of(item), '#', &name, &rest));
		buf_printf(&buf, "%s%.*s%s%.*s", i > 0 ? "," : "", STR_ARG(name), number, STR_ARG(rest));
	}
	buf_add(&buf, str_of(after));
	struct json json;
	assert_int_equal(json_parse(arena, str_dup(arena, buf_str(&buf)), NULL, &json, NULL), JSON_OK);
	return json;
}

static void check__thousands_asked_and_thousands_told__cost_as_reading_them(void **state)
{
	(void)state;
	const struct {
		const char *asked[3];
		const char *told[3];
		struct json (
			*check)(struct arena *arena, const struct json *asked, const struct json *told);
	} rows[] = {
		{{"{", "\"@#:x\":[]", "}"}, {"{\"device_keys\":{", "\"@#:x\":0", "}}"},
			remote_keys_check_query},
		{{"{", "\"@#:x\":[]", "}"}, {"{\"master_keys\":{", "\"@#:x\":0", "}}"},
			remote_keys_check_query},
		{{"{\"@u:x\":[", "\"#\"", "]}"}, {"{\"device_keys\":{\"@u:x\":{", "\"#\":0", "}}}"},
			remote_keys_check_query},
		{{"{\"@u:x\":{", "\"#\":\"signed_curve25519\"", "}}"},
			{"{\"one_time_keys\":{\"@u:x\":{", "\"#\":0", "}}}"}, remote_keys_check_claim},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		int64_t start_us = cpu_time_us();
		struct json asked =
			numbered(arena, rows[i].asked[0], rows[i].asked[1], 0, rows[i].asked[2]);
		struct json told = numbered(arena, rows[i].told[0], rows[i].told[1], MANY, rows[i].told[2]);
		int64_t read_us = cpu_time_us();
		struct json checked = rows[i].check(arena, &asked, &told);
		int64_t checked_us = cpu_time_us();
		assert_true(json_is(&checked, JSON_OBJECT));
		assert_true(checked_us - read_us < (read_us - start_us + 1000) * 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check__thousands_asked_and_thousands_told__cost_as_reading_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
