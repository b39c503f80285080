/*
 * Functions on borrowed views.
 */
#include "check.h"

#include "base/mem.h"

static void of__null_and_text__views(void **state)
{
	(void)state;
	assert_int_equal(str_of(NULL).n, 0);
	assert_text(str_of("abc"), "abc");
	assert_true(str_is_empty(str_of("")));
	assert_false(str_is_empty(STR("\0")));
}

static void equals__pairs__by_bytes(void **state)
{
	(void)state;
	assert_true(str_equals(STR(""), str_from(NULL, 0)));
	assert_true(str_equals(STR("a\0b"), STR("a\0b")));
	assert_false(str_equals(STR("a\0b"), STR("a\0c")));
	assert_false(str_equals(STR("a"), STR("ab")));
	assert_true(str_equals_nocase(STR("aBc-[Z"), STR("AbC-[z")));
	assert_false(str_equals_nocase(STR("["), STR("{")));
	assert_false(str_equals_nocase(STR("@"), STR("`")));
	assert_false(str_equals_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static void compare__pairs__byte_order(void **state)
{
	(void)state;
	assert_int_equal(str_compare(STR("a"), STR("a")), 0);
	assert_int_equal(sign(str_compare(STR("a"), STR("b"))), -1);
	assert_int_equal(sign(str_compare(STR("ab"), STR("a"))), 1);
	assert_int_equal(sign(str_compare(STR(""), STR("a"))), -1);
	assert_int_equal(sign(str_compare(STR("\xff"), STR("a"))), 1);
	assert_int_equal(sign(str_compare(str_from(NULL, 0), STR(""))), 0);
}

static void starts_ends_contains__pairs__as_named(void **state)
{
	(void)state;
	assert_true(str_starts_with(STR("abc"), STR("ab")));
	assert_true(str_starts_with(STR("abc"), STR("")));
	assert_false(str_starts_with(STR("ab"), STR("abc")));
	assert_true(str_ends_with(STR("abc"), STR("bc")));
	assert_true(str_ends_with(STR("abc"), STR("")));
	assert_false(str_ends_with(STR("bc"), STR("abc")));
	assert_true(str_contains(STR("abc"), STR("b")));
	assert_true(str_contains(str_from(NULL, 0), STR("")));
	assert_false(str_contains(STR("abc"), STR("ac")));
	assert_false(str_contains(str_from(NULL, 0), STR("a")));
}

static void find_byte__present_and_absent__index(void **state)
{
	(void)state;
	assert_int_equal(str_find_byte(STR("abcb"), 'b'), 1);
	assert_int_equal(str_find_last_byte(STR("abcb"), 'b'), 3);
	assert_true(str_find_byte(STR("abc"), 'x') == SIZE_MAX);
	assert_true(str_find_last_byte(STR("abc"), 'x') == SIZE_MAX);
	assert_true(str_find_byte(str_from(NULL, 0), 'x') == SIZE_MAX);
	assert_int_equal(str_find_byte(STR("a\0b"), '\0'), 1);
}

static void slice__beyond_ends__clamped(void **state)
{
	(void)state;
	assert_text(str_slice(STR("abcdef"), 2, 4), "cd");
	assert_text(str_slice(STR("abc"), 1, 99), "bc");
	assert_text(str_slice(STR("abc"), 99, 99), "");
	assert_text(str_slice(STR("abc"), 2, 1), "");
	assert_int_equal(str_slice(str_from(NULL, 0), 1, 2).n, 0);
}

static void trim__white_space__only_at_ends(void **state)
{
	(void)state;
	assert_text(str_trim(STR(" \t\r\n\v\fa b \n")), "a b");
	assert_text(str_trim(STR("  ")), "");
	assert_text(str_trim(STR("\0 a")), "\0 a");
}

static void split__separator__first_only(void **state)
{
	(void)state;
	struct str head;
	struct str tail;
	assert_true(str_split(STR("a:b:c"), ':', &head, &tail));
	assert_text(head, "a");
	assert_text(tail, "b:c");
	assert_true(str_split(STR(":"), ':', &head, &tail));
	assert_text(head, "");
	assert_text(tail, "");
	assert_false(str_split(STR("abc"), ':', &head, &tail));
	assert_text(head, "abc");
	assert_int_equal(tail.n, 0);
	/* Source and target may be the same variable. */
	struct str rest = STR("x,y");
	assert_true(str_split(rest, ',', &head, &rest));
	assert_text(head, "x");
	assert_text(rest, "y");
}

static void to_int__valid__exact(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} rows[] = {{"0", 0}, {"7", 7}, {"-1", -1}, {"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN}, {"-0", 0}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t value = 99;
		assert_true(str_to_int(str_of(rows[i].text), INT64_MIN, INT64_MAX, &value));
		assert_true(value == rows[i].value);
	}
}

static void to_int__invalid__refused_and_out_untouched(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "-", "+1", " 1", "1 ", "01", "00", "-01", "1.0", "1e3",
		"0x1", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "1a", "--1",
		"\xd9\xa1"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		int64_t value = 99;
		assert_false(str_to_int(str_of(texts[i]), INT64_MIN, INT64_MAX, &value));
		assert_true(value == 99);
	}
}

static void to_int__outside_bounds__refused(void **state)
{
	(void)state;
	int64_t value = 99;
	assert_true(str_to_int(STR("5"), 5, 5, &value));
	assert_false(str_to_int(STR("4"), 5, 5, &value));
	assert_false(str_to_int(STR("6"), 5, 5, &value));
	assert_true(value == 5);
}

static void copies__each_kind__independent(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char source[] = "Ab\0C";
	struct str view = str_from(source, 4);
	struct str dup = str_dup(arena, view);
	struct str heap = str_heap(view);
	struct str lower = str_lower(arena, view);
	char *cstr = str_cstr(arena, view);
	memset(source, 'x', sizeof(source));
	assert_text(dup, "Ab\0C");
	assert_int_equal(dup.p[4], '\0');
	assert_text(heap, "Ab\0C");
	assert_text(lower, "ab\0c");
	assert_memory_equal(cstr, "Ab\0C", 5);
	str_free(heap);
	assert_text(str_dup(arena, str_from(NULL, 0)), "");
	struct str nothing = str_heap(str_from(NULL, 0));
	assert_non_null(nothing.p);
	str_free(nothing);
}

static void printf__long_text__whole(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_text(str_printf(arena, "%.*s=%d", STR_ARG(STR("ab")), 3), "ab=3");
	assert_int_equal(str_printf(arena, "%0*d", 3000, 1).n, 3000);
	assert_text(str_printf(arena, "[%.*s]", STR_ARG(str_from(NULL, 0))), "[]");
}

static void mem__zero_bytes_and_growth__usable(void **state)
{
	(void)state;
	char *p = mem_alloc(0);
	assert_non_null(p);
	p = mem_realloc(p, 10);
	memset(p, 1, 10);
	p = mem_realloc(p, 0);
	assert_non_null(p);
	mem_free(p);
	mem_free(NULL);
	int *zeroed = mem_alloc_array(10, sizeof(int));
	assert_int_equal(zeroed[9], 0);
	mem_free(zeroed);
	char *copy = mem_dup("abc", 2);
	assert_string_equal(copy, "ab");
	mem_free(copy);
}

static void dup_within__views_of_the_text_and_others__moved_or_copied(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const char bytes[] = "xabcdefx";
	struct str from = str_from(bytes + 1, 6);
	struct str to = str_dup(arena, from);
	for (size_t first = 0; first <= 6; first++) {
		for (size_t end = first; end <= 6; end++) {
			struct str moved = str_dup_within(arena, str_slice(from, first, end), from, to);
			assert_ptr_equal(moved.p, to.p + first);
			assert_int_equal(moved.n, end - first);
		}
	}
	const struct str others[] = {str_from(bytes, 3), str_from(bytes + 5, 3), str_from(bytes, 8),
		str_from(bytes, 1), str_from("other", 5)};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		struct str copy = str_dup_within(arena, others[i], from, to);
		assert_true(str_equals(copy, others[i]));
		assert_true(copy.p != others[i].p && (copy.p < to.p || copy.p > to.p + to.n));
	}
	assert_null(str_dup_within(arena, str_from(NULL, 0), from, to).p);
	assert_ptr_not_equal(str_dup_within(arena, from, str_from(NULL, 0), to).p, to.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of__null_and_text__views),
		cmocka_unit_test(equals__pairs__by_bytes),
		cmocka_unit_test(compare__pairs__byte_order),
		cmocka_unit_test(starts_ends_contains__pairs__as_named),
		cmocka_unit_test(find_byte__present_and_absent__index),
		cmocka_unit_test(slice__beyond_ends__clamped),
		cmocka_unit_test(trim__white_space__only_at_ends),
		cmocka_unit_test(split__separator__first_only),
		cmocka_unit_test(dup_within__views_of_the_text_and_others__moved_or_copied),
		cmocka_unit_test(to_int__valid__exact),
		cmocka_unit_test(to_int__invalid__refused_and_out_untouched),
		cmocka_unit_test(to_int__outside_bounds__refused),
		cmocka_unit_test(copies__each_kind__independent),
		cmocka_unit_test(printf__long_text__whole),
		cmocka_unit_test(mem__zero_bytes_and_growth__usable),
	};
	return RUN_ALL(tests);
}
