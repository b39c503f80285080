/*
 * Bodies with two parts, well-formed and not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/multipart.h"

static void boundary__every_form__taken_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		const char *boundary; /* NULL: refused */
	} cases[] = {
		{"multipart/mixed; boundary=abc", "abc"},
		{"multipart/mixed;boundary=abc", "abc"},
		{"Multipart/Mixed; charset=utf-8; BOUNDARY=\"a b\"", "a b"},
		{"multipart/mixed; x=\"boundary=no;\"; boundary=yes", "yes"},
		{"multipart/mixed; boundary=\"a\\\"b\"", NULL},
		{"multipart/mixed; boundary=\"ab", NULL},
		{"multipart/mixed; boundary=", NULL},
		{"multipart/mixed; boundary=\"a \"", NULL},
		{"multipart/mixed; boundary=a\r\nb", NULL},
		{"multipart/mixed", NULL},
		{"multipart/form-data; boundary=abc", NULL},
		{"text/html; boundary=abc", NULL},
		{"", NULL},
		{"multipart/mixed; boundary="
		 "0123456789012345678901234567890123456789012345678901234567890123456789x",
			NULL},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str boundary = {0};
		bool is_good = multipart_boundary(arena, str_of(cases[i].type), &boundary);
		assert_int_equal(is_good, cases[i].boundary != NULL);
		if (is_good) {
			assert_true(str_equals(boundary, str_of(cases[i].boundary)));
		}
	}
}

#define HEAD \
	"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n" \
	"content-TYPE: image/png \r\nContent-Disposition:inline\r\nContent-Type: text/html\r\n\r\n"

static void head__well_formed__headers_and_begin(void **state)
{
	(void)state;
	struct multipart_file file;
	struct str body = STR(HEAD "bytes\r\n--b--\r\n");
	assert_true(multipart_read_head(body, STR("b"), &file));
	assert_true(str_equals(file.content_type, STR("image/png")));
	assert_true(str_equals(file.content_disposition, STR("inline")));
	assert_null(file.location.p);
	assert_int_equal(file.begin, sizeof(HEAD) - 1);
	assert_int_equal(multipart_find_end(body, STR("b")),
		sizeof("--b\r\nContent-Type: application/json\r\n\r\n{}") - 1);
	struct str rest = str_slice(body, file.begin, body.n);
	assert_int_equal(multipart_find_end(rest, STR("b")), 5);
}

static void head__preamble_empty_parts_location__understood(void **state)
{
	(void)state;
	struct multipart_file file;
	assert_true(multipart_read_head(
		STR("hello\r\n--b \t\r\n\r\n--b\r\nLocation: https://x/\r\n\r\n--b--"), STR("b"), &file));
	assert_true(str_equals(file.location, STR("https://x/")));
	assert_null(file.content_type.p);
}

static void head__malformed__refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"--b",
		"--b\r\n",
		"--b--\r\n",
		"--b\r\nA: b\r\n",
		"--b\r\n\r\n{}",
		"--b\r\n\r\n{}\r\n--b--\r\n",
		"--b\r\n\r\n{}\r\n--b\r\n",
		"--b\r\n\r\n{}\r\n--b\r\nA: b\r\n",
		"--c\r\n\r\n{}\r\n--c\r\n\r\nx",
		"--bc\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
		"--b\n\n{}\n--b\n\nx\n--b--",
	};
	struct multipart_file file;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_false(multipart_read_head(str_of(cases[i]), STR("b"), &file));
	}
}

static void head__too_many_headers__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = STR("--b\r\n\r\n{}\r\n--b\r\n");
	struct multipart_file file;
	for (size_t i = 0; i < 40; i++) {
		text = str_printf(arena, "%.*sX: y\r\n", STR_ARG(text));
	}
	text = str_printf(arena, "%.*s\r\nz\r\n--b--", STR_ARG(text));
	assert_false(multipart_read_head(text, STR("b"), &file));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boundary__every_form__taken_or_refused),
		cmocka_unit_test(head__well_formed__headers_and_begin),
		cmocka_unit_test(head__preamble_empty_parts_location__understood),
		cmocka_unit_test(head__malformed__refused),
		cmocka_unit_test(head__too_many_headers__refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
