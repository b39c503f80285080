/*
 * Plain heads, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "base/buf.h"
#include "http/head.h"

enum { CEILING = 16 * 1024 };

#define LINE "GET /a?b=c HTTP/1.1\r\n"
#define HOST "Host: x\r\n"

static void assert_text(struct str text, const char *expected)
{
	assert_int_equal(text.n, strlen(expected));
	assert_memory_equal(text.p, expected, text.n);
}

static void head__plain__read(void **state)
{
	(void)state;
	struct head head;
	assert_true(head_read(STR(LINE "Host: x:8008\r\nauthorization:Bearer a b\r\nConnection: "
								   "Keep-Alive\r\nAccept:   */*\r\n\r\n"),
		CEILING, &head));
	assert_text(head.target, "/a?b=c");
	assert_int_equal(head.header_count, 4);
	assert_text(head.headers[0].name, "Host");
	assert_text(head.headers[0].value, "x:8008");
	assert_text(head.headers[1].name, "authorization");
	assert_text(head.headers[1].value, "Bearer a b");
	assert_text(head.headers[2].value, "Keep-Alive");
	assert_text(head.headers[3].value, "*/*");
}

static void head__with_the_body_that_it_promises__read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *method;
		const char *body;
	} cases[] = {
		{"POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", "POST", "{}"},
		{"PUT /a HTTP/1.1\r\ncontent-length:3\r\n" HOST "\r\n\r\n\n", "PUT", "\r\n\n"},
		{"POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "POST", ""},
		{"POST /a HTTP/1.1\r\n" HOST "Content-Length: 007\r\n\r\n\xFF \x01\r\n\r\n", "POST",
			"\xFF \x01\r\n\r\n"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct head head;
		assert_true(head_read(str_of(cases[i].text), CEILING, &head));
		assert_text(head.method, cases[i].method);
		assert_text(head.target, "/a");
		assert_text(head.body, cases[i].body);
		assert_int_equal(head.header_count, 2);
		assert_true(str_ends_with(head.rest, STR("\r\n\r\n")));
		assert_ptr_equal(head.rest.p + head.rest.n, head.body.p);
	}
}

/* However large the body is, it is not libmicrohttpd's memory that has to hold it. */
static void body__larger_than_any_head__read(void **state)
{
	(void)state;
	enum { BODY = 4 * CEILING };
	struct buf text;
	buf_init(&text, 1 << 20);
	buf_add_lit(&text, "POST / HTTP/1.1\r\n" HOST "Content-Length: ");
	buf_add_int(&text, BODY);
	buf_add_lit(&text, "\r\n\r\n");
	memset(buf_extend(&text, BODY), 'x', BODY);
	struct head head;
	assert_true(head_read(buf_str(&text), CEILING, &head));
	assert_int_equal(head.body.n, BODY);
	assert_false(head_read(str_slice(buf_str(&text), 0, text.n - 1), CEILING, &head));
	buf_fini(&text);
}

static void body__another_than_is_promised__not_plain(void **state)
{
	(void)state;
#define POST "POST / HTTP/1.1\r\n" HOST
	static const char *const texts[] = {
		POST "Content-Length: 3\r\n\r\n{}",
		POST "Content-Length: 1\r\n\r\n{}",
		POST "Content-Length: 0\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
		POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		POST "Content-Length: 2, 2\r\n\r\n{}",
		POST "Content-Length: +2\r\n\r\n{}",
		POST "Content-Length: -2\r\n\r\n{}",
		POST "Content-Length: 0x2\r\n\r\n{}",
		POST "Content-Length: 2 \r\n\r\n{}",
		POST "Content-Length: 18446744073709551618\r\n\r\n{}",
		POST "Content-Length: 4294967298\r\n\r\n{}",
		POST "Content-Length:\r\n\r\n{}",
		POST "Transfer-Encoding: chunked\r\n\r\n{}",
		POST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
		POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}",
		POST "\r\n{}",
		POST "\r\n",
		LINE HOST "Content-Length: 2\r\n\r\n{}",
		LINE HOST "\r\n{}",
		"DELETE / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}",
		"POST  / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}",
		"POST/ HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}",
	};
#undef POST
	struct head head;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (head_read(str_of(texts[i]), CEILING, &head)) {
			print_error("taken: %s", texts[i]);
			assert_true(false);
		}
	}
}

static void head__unfinished__not_plain(void **state)
{
	(void)state;
	struct str whole = STR(LINE HOST "Accept: */*\r\n\r\n");
	struct head head;
	assert_true(head_read(whole, CEILING, &head));
	for (size_t n = 0; n < whole.n; n++) {
		assert_false(head_read(str_slice(whole, 0, n), CEILING, &head));
	}
}

static void head__anything_unusual__not_plain(void **state)
{
	(void)state;
	static const char *const heads[] = {
		LINE HOST "\r\nGET / HTTP/1.1\r\n\r\n",
		LINE HOST "\r\n\r\n",
		"\r\n" LINE HOST "\r\n",
		LINE "\r\n",
		LINE HOST HOST "\r\n",
		"POST / HTTP/1.1\r\n" HOST "\r\n",
		"HEAD / HTTP/1.1\r\n" HOST "\r\n",
		"get / HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.0\r\n" HOST "\r\n",
		"GET / HTTP/1.10\r\n" HOST "\r\n",
		"GET / HTTP/2.0\r\n" HOST "\r\n",
		"GET  HTTP/1.1\r\n" HOST "\r\n",
		"GET HTTP/1.1\r\n" HOST "\r\n",
		"GET  / HTTP/1.1\r\n" HOST "\r\n",
		"GET /  HTTP/1.1\r\n" HOST "\r\n",
		"GET /a b HTTP/1.1\r\n" HOST "\r\n",
		"GET /\t HTTP/1.1\r\n" HOST "\r\n",
		"GET http://x/ HTTP/1.1\r\n" HOST "\r\n",
		"GET * HTTP/1.1\r\n" HOST "\r\n",
		"GET /\xC3\xA9 HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1\n" HOST "\r\n",
		LINE "Host: x\n\r\n",
		LINE "Host: x\r\r\n\r\n",
		LINE HOST "A: b\r\n c: d\r\n\r\n",
		LINE HOST "A : b\r\n\r\n",
		LINE HOST " A: b\r\n\r\n",
		LINE HOST ": b\r\n\r\n",
		LINE HOST "A\r\n\r\n",
		LINE HOST "A:\r\n\r\n",
		LINE HOST "A: \r\n\r\n",
		LINE HOST "A: b \r\n\r\n",
		LINE HOST "A:\tb\r\n\r\n",
		LINE HOST "A: b\tc\r\n\r\n",
		LINE HOST "A: b\x7F\r\n\r\n",
		LINE HOST "A: bcdefghijk\x1F\r\n\r\n",
		LINE HOST "A: bcdefghijk\xFFzzzzzzzzz\r\n\r\n",
		LINE HOST "A_b: c\r\n\r\n",
		LINE HOST "Content-Length: 0\r\n\r\n",
		LINE HOST "content-length: 2\r\n\r\n",
		LINE HOST "Transfer-Encoding: chunked\r\n\r\n",
		LINE HOST "Connection: close\r\n\r\n",
		LINE HOST "Connection: keep-alive, Upgrade\r\n\r\n",
		LINE HOST "Upgrade: h2c\r\n\r\n",
		LINE HOST "Expect: 100-continue\r\n\r\n",
		LINE HOST "Cookie: a=b\r\n\r\n",
	};
	struct head head;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		if (head_read(str_of(heads[i]), CEILING, &head)) {
			print_error("taken: %s", heads[i]);
			assert_true(false);
		}
	}
	assert_false(head_read(STR(LINE HOST "A: b\0c\r\n\r\n"), CEILING, &head));
}

/* Each character alone, at each place of a word: only the visible ones may stand in a value. */
static void value__each_byte__visible_ones_only(void **state)
{
	(void)state;
	char text[] = LINE HOST "A: abcdefghijklmnopqrs\r\n\r\n";
	const size_t begin = sizeof(LINE HOST "A: ") - 1;
	struct head head;
	for (size_t at = begin; at < begin + 18; at++) {
		const char before = text[at];
		for (int byte = 0; byte < 256; byte++) {
			text[at] = (char)byte;
			bool is_plain = head_read(str_from(text, sizeof(text) - 1), CEILING, &head);
			assert_int_equal(is_plain, byte >= ' ' && byte <= '~');
		}
		text[at] = before;
	}
}

/* Behind the request line it has to be the same; the request line is judged as any. */
static void head__as_before__target_read(void **state)
{
	(void)state;
	struct head head;
	struct str target;
	struct str rest = STR(HOST "A: b\r\n\r\n");
	assert_true(head_read(STR(LINE HOST "A: b\r\n\r\n"), CEILING, &head));
	assert_true(str_equals(head.rest, rest));
	assert_true(head_read_again(STR("GET /?d=%20 HTTP/1.1\r\n" HOST "A: b\r\n\r\n"), CEILING, rest,
		2, &target));
	assert_text(target, "/?d=%20");
	static const char *const others[] = {
		LINE HOST "A: c\r\n\r\n",
		LINE HOST "A: b\r\n\r\n\r\n",
		LINE HOST "A: b\r\n\r\nG",
		LINE HOST "A: b\r\n\r",
		LINE HOST,
		LINE "\r\n" HOST "A: b\r\n\r\n",
		"GET /a\x7F HTTP/1.1\r\n" HOST "A: b\r\n\r\n",
		"GET /a b HTTP/1.1\r\n" HOST "A: b\r\n\r\n",
		"GET x HTTP/1.1\r\n" HOST "A: b\r\n\r\n",
		"PUT /a HTTP/1.1\r\n" HOST "A: b\r\n\r\n",
		"GET /a HTTP/1.0\r\n" HOST "A: b\r\n\r\n",
		HOST "A: b\r\n\r\n",
		"",
	};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_false(head_read_again(str_of(others[i]), CEILING, rest, 2, &target));
	}
	size_t least = CEILING;
	while (head_read(STR(LINE HOST "A: b\r\n\r\n"), least, &head)) {
		assert_true(head_read_again(STR(LINE HOST "A: b\r\n\r\n"), least, rest, 2, &target));
		least--;
	}
	assert_false(head_read_again(STR(LINE HOST "A: b\r\n\r\n"), least, rest, 2, &target));
}

static bool reads(size_t headers, size_t parameters, size_t value_bytes)
{
	struct buf text;
	buf_init(&text, 1 << 16);
	buf_add_lit(&text, "GET /?a");
	for (size_t i = 1; i < parameters; i++) {
		buf_add_lit(&text, "&a");
	}
	buf_add_lit(&text, " HTTP/1.1\r\nHost: ");
	for (size_t i = 0; i < value_bytes; i++) {
		buf_add_byte(&text, 'x');
	}
	buf_add_lit(&text, "\r\n");
	for (size_t i = 1; i < headers; i++) {
		buf_add_lit(&text, "A: b\r\n");
	}
	buf_add_lit(&text, "\r\n");
	struct head head;
	bool is_plain = head_read(buf_str(&text), CEILING, &head);
	buf_fini(&text);
	return is_plain;
}

static void head__that_could_be_too_large__not_plain(void **state)
{
	(void)state;
	assert_true(reads(HEAD_MAX_HEADERS, 1, 1));
	assert_false(reads(HEAD_MAX_HEADERS + 1, 1, 1));
	assert_true(reads(2, 60, 1));
	assert_false(reads(20, 60, 1));
	assert_false(reads(1, 100, 1));
	assert_true(reads(1, 1, CEILING / 4));
	assert_false(reads(1, 1, CEILING / 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head__plain__read),
		cmocka_unit_test(head__with_the_body_that_it_promises__read),
		cmocka_unit_test(body__larger_than_any_head__read),
		cmocka_unit_test(body__another_than_is_promised__not_plain),
		cmocka_unit_test(head__unfinished__not_plain),
		cmocka_unit_test(head__anything_unusual__not_plain),
		cmocka_unit_test(value__each_byte__visible_ones_only),
		cmocka_unit_test(head__as_before__target_read),
		cmocka_unit_test(head__that_could_be_too_large__not_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
