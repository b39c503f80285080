/*
 * The growing buffer: appending, the ceiling and its sticky error.
 */
#include "check.h"

#include "base/buf.h"
#include "base/mem.h"

static void add__all_kinds__in_order(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1000);
	buf_add(&buf, STR("ab"));
	buf_add(&buf, str_from(NULL, 0));
	buf_add_byte(&buf, '\0');
	buf_add_lit(&buf, "cd");
	buf_add_int(&buf, -17);
	buf_printf(&buf, "[%s]", "x");
	assert_true(buf_ok(&buf));
	assert_text(buf_str(&buf), "ab\0cd-17[x]");
}

static void add_int__extremes__exact(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1000);
	buf_add_int(&buf, INT64_MIN);
	buf_add_byte(&buf, ' ');
	buf_add_int(&buf, INT64_MAX);
	buf_add_byte(&buf, ' ');
	buf_add_int(&buf, 0);
	assert_text(buf_str(&buf), "-9223372036854775808 9223372036854775807 0");
}

static void add__over_ceiling__error_sticks(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 10);
	buf_add_lit(&buf, "12345678");
	assert_true(buf_ok(&buf));
	buf_add_lit(&buf, "901");
	assert_false(buf_ok(&buf));
	buf_add_lit(&buf, "9"); /* would fit, but what stands before it is missing */
	assert_false(buf_ok(&buf));
	assert_text(buf_str(&buf), "12345678");
	buf_clear(&buf);
	assert_true(buf_ok(&buf));
	buf_add_lit(&buf, "1234567890");
	assert_true(buf_ok(&buf));
	assert_text(buf_str(&buf), "1234567890");
}

static void printf__exactly_the_ceiling__fits(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 5);
	buf_printf(&buf, "%d", 12345);
	assert_true(buf_ok(&buf));
	assert_text(buf_str(&buf), "12345");
	buf_printf(&buf, "%s", "");
	assert_true(buf_ok(&buf));
	buf_printf(&buf, "%d", 6);
	assert_false(buf_ok(&buf));
}

static void add__much__grows_up_to_ceiling(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 100000);
	for (int i = 0; i < 100000; i++) {
		buf_add_byte(&buf, (char)('a' + i % 26));
	}
	assert_true(buf_ok(&buf));
	assert_int_equal(buf.n, 100000);
	assert_true(buf.capacity <= 100000);
	for (size_t i = 0; i < buf.n; i++) {
		assert_int_equal(buf.p[i], 'a' + (char)(i % 26));
	}
	buf_add_byte(&buf, 'x');
	assert_false(buf_ok(&buf));
}

static void extend__too_large__null_without_wrap(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 100);
	buf_add_lit(&buf, "abc");
	assert_null(buf_extend(&buf, SIZE_MAX));
	assert_false(buf_ok(&buf));
}

static void take__contents__owned_by_caller(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 100);
	buf_add_lit(&buf, "abc");
	size_t n;
	char *p = buf_take(&buf, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(p, "abc", 3);
	mem_free(p);
	assert_int_equal(buf_str(&buf).n, 0);
	buf_add_lit(&buf, "d");
	assert_text(buf_str(&buf), "d");
}

static void fini__zeroed__nothing(void **state)
{
	(void)state;
	struct buf buf = {0};
	buf_fini(&buf);
	assert_int_equal(buf_str(&buf).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add__all_kinds__in_order),
		cmocka_unit_test(add_int__extremes__exact),
		cmocka_unit_test(add__over_ceiling__error_sticks),
		cmocka_unit_test(printf__exactly_the_ceiling__fits),
		cmocka_unit_test(add__much__grows_up_to_ceiling),
		cmocka_unit_test(extend__too_large__null_without_wrap),
		cmocka_unit_test(take__contents__owned_by_caller),
		cmocka_unit_test(fini__zeroed__nothing),
	};
	return RUN_ALL(tests);
}
