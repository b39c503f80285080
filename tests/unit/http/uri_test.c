/*
 * Targets, path segments and query parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "base/buf.h"
#include "http/uri.h"

static bool parse(const char *raw, struct uri_path *out)
{
	static char scratch[512];
	return uri_parse_path(str_of(raw), scratch, out);
}

static void assert_segment(const struct uri_path *path, size_t i, const char *text)
{
	assert_true(i < path->n);
	assert_true(str_equals(path->segments[i], str_of(text)));
}

static void path__escaped_slash__stays_in_its_segment(void **state)
{
	(void)state;
	struct uri_path path;
	assert_true(parse("/rooms/%21a%2Fb%3Ahs/send", &path));
	assert_int_equal(path.n, 3);
	assert_segment(&path, 0, "rooms");
	assert_segment(&path, 1, "!a/b:hs");
	assert_segment(&path, 2, "send");
}

static void path__plus__is_no_space(void **state)
{
	(void)state;
	struct uri_path path;
	assert_true(parse("/a+b/%2b%20", &path));
	assert_segment(&path, 0, "a+b");
	assert_segment(&path, 1, "+ ");
}

static void path__slashes__make_empty_segments(void **state)
{
	(void)state;
	struct uri_path path;
	assert_true(parse("/", &path));
	assert_int_equal(path.n, 1);
	assert_segment(&path, 0, "");
	assert_true(parse("/a//b/", &path));
	assert_int_equal(path.n, 4);
	assert_segment(&path, 1, "");
	assert_segment(&path, 3, "");
}

static void path__bad_bytes__refused(void **state)
{
	(void)state;
	struct uri_path path;
	const char *const bad[] = {"/a%", "/a%2", "/a%zz", "/%-1", "/a%00b", "/%ff", "/%C3", "/\xC3(",
		"/%ED%A0%80", "/%C0%AF", "", "a", "*"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(parse(bad[i], &path));
	}
	assert_true(parse("/%C3%A9/\xC3\xA9", &path));
	assert_segment(&path, 0, "\xC3\xA9");
}

static void path__too_many_segments__refused(void **state)
{
	(void)state;
	struct uri_path path;
	char raw[2 * URI_MAX_SEGMENTS + 3] = {0};
	for (size_t i = 0; i < 2 * (size_t)URI_MAX_SEGMENTS; i++) {
		raw[i] = i % 2 == 0 ? '/' : 'a';
	}
	assert_true(parse(raw, &path));
	raw[2 * (size_t)URI_MAX_SEGMENTS] = '/';
	assert_false(parse(raw, &path));
}

static void target__absolute__loses_scheme_and_host(void **state)
{
	(void)state;
	struct str path;
	struct str query;
	uri_split_target(STR("https://example.org:8448/a/b?x=1?2"), &path, &query);
	assert_true(str_equals(path, STR("/a/b")));
	assert_true(str_equals(query, STR("x=1?2")));
	uri_split_target(STR("http://example.org"), &path, &query);
	assert_true(str_equals(path, STR("/")));
	assert_int_equal(query.n, 0);
}

static void query__pairs__are_decoded_in_order(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	struct uri_pair *pairs = NULL;
	size_t n = 0;
	assert_true(uri_parse_query(arena, STR("a=1&b=%26+x&&a=%C3%A9&flag&e="), &pairs, &n));
	assert_int_equal(n, 5);
	assert_true(str_equals(pairs[0].name, STR("a")) && str_equals(pairs[0].value, STR("1")));
	assert_true(str_equals(pairs[1].value, STR("& x")));
	assert_true(str_equals(pairs[2].value, STR("\xC3\xA9")));
	assert_true(str_equals(pairs[3].name, STR("flag")));
	assert_true(pairs[3].value.p != NULL && pairs[3].value.n == 0);
	assert_true(pairs[4].value.p != NULL && pairs[4].value.n == 0);
	assert_true(uri_parse_query(arena, STR(""), &pairs, &n));
	assert_int_equal(n, 0);
	arena_destroy(arena);
}

static void query__bad_bytes__refused(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	struct uri_pair *pairs = NULL;
	size_t n = 0;
	const char *const bad[] = {"a=%", "a=%0", "%zz=1", "a=%00", "a=%ff", "a=\xff"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(uri_parse_query(arena, str_of(bad[i]), &pairs, &n));
	}
	char many[2 * URI_MAX_PAIRS + 3];
	memset(many, '&', sizeof(many));
	assert_false(uri_parse_query(arena, str_from(many, sizeof(many)), &pairs, &n));
	arena_destroy(arena);
}

/* A byte that means something else, at each place of texts of each length. */
static void query__special_byte_anywhere__met(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	char raw[2 + 26] = "a=";
	struct uri_pair *pairs = NULL;
	size_t n = 0;
	for (size_t length = 1; length <= sizeof(raw) - 2; length++) {
		for (size_t at = 0; at < length; at++) {
			memset(raw + 2, '~', length);
			const struct str query = str_from(raw, 2 + length);
			raw[2 + at] = '+';
			assert_true(uri_parse_query(arena, query, &pairs, &n));
			assert_int_equal(pairs[0].value.n, length);
			assert_int_equal(str_find_byte(pairs[0].value, ' '), at);
			const char refused[] = {'%', '\0', '\x80', '\xff'};
			for (size_t i = 0; i < sizeof(refused); i++) {
				raw[2 + at] = refused[i];
				assert_false(uri_parse_query(arena, query, &pairs, &n));
			}
			raw[2 + at] = '\x7f';
			assert_true(uri_parse_query(arena, query, &pairs, &n));
			assert_true(str_equals(pairs[0].value, str_slice(query, 2, query.n)));
		}
	}
	arena_destroy(arena);
}

static void assert_value(struct arena *arena, struct uri_memo *memo, struct str raw,
	struct str expected)
{
	struct uri_pair *pairs = NULL;
	size_t n = 0;
	assert_true(uri_parse_query_again(arena, raw, memo, &pairs, &n));
	assert_int_equal(n, 1);
	assert_true(str_equals(pairs[0].value, expected));
}

/* More long values than are kept, again and again, of which some differ in a byte only. */
static void query__long_value_again__decoded_as_before(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	struct uri_memo *memo = ARENA_NEW(arena, struct uri_memo);
	for (size_t round = 0; round < 200; round++) {
		size_t letters = round % 7 * 100 + 30;
		struct buf raw;
		struct buf text;
		buf_init(&raw, 4096);
		buf_init(&text, 4096);
		buf_add_lit(&raw, "filter=%7B");
		buf_add_byte(&text, '{');
		for (size_t i = 0; i < letters; i++) {
			buf_add(&raw, i % 5 == 0 ? STR("%22") : i % 5 == 1 ? STR("+") : STR("a"));
			buf_add_byte(&text, i % 5 == 0 ? '"' : i % 5 == 1 ? ' ' : 'a');
		}
		buf_add_byte(&raw, (char)('a' + round % 3));
		buf_add_byte(&text, (char)('a' + round % 3));
		assert_value(arena, memo, buf_str(&raw), buf_str(&text));
		assert_value(arena, memo, buf_str(&raw), buf_str(&text));
		raw.p[raw.n - 1] = '\xff';
		struct uri_pair *pairs = NULL;
		size_t n = 0;
		assert_false(uri_parse_query_again(arena, buf_str(&raw), memo, &pairs, &n));
		assert_false(uri_parse_query_again(arena, buf_str(&raw), memo, &pairs, &n));
		buf_fini(&raw);
		buf_fini(&text);
	}
	arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path__escaped_slash__stays_in_its_segment),
		cmocka_unit_test(path__plus__is_no_space),
		cmocka_unit_test(path__slashes__make_empty_segments),
		cmocka_unit_test(path__bad_bytes__refused),
		cmocka_unit_test(path__too_many_segments__refused),
		cmocka_unit_test(target__absolute__loses_scheme_and_host),
		cmocka_unit_test(query__pairs__are_decoded_in_order),
		cmocka_unit_test(query__long_value_again__decoded_as_before),
		cmocka_unit_test(query__bad_bytes__refused),
		cmocka_unit_test(query__special_byte_anywhere__met),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
