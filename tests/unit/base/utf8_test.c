/*
 * UTF-8: every code point there and back, and every kind of malformed sequence.
 */
#include "check.h"

#include "base/utf8.h"

static void encode__every_code_point__decodes_to_itself(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10FFFF; c++) {
		if (c >= 0xD800 && c <= 0xDFFF) {
			continue;
		}
		char bytes[4];
		size_t n = utf8_encode(c, bytes);
		struct str s = str_from(bytes, n);
		size_t at = 0;
		if (!utf8_is_valid(s) || utf8_next(s, &at) != c || at != n || utf8_length(s) != 1) {
			fail_msg("U+%04X", c);
		}
		for (size_t cut = 1; cut < n; cut++) {
			assert_false(utf8_is_valid(str_from(bytes, cut)));
		}
	}
}

static void is_valid__malformed__refused(void **state)
{
	(void)state;
	static const struct str texts[] = {STR_INIT("\x80"), STR_INIT("\xbf"), STR_INIT("\xc0\x80"),
		STR_INIT("\xc1\xbf"), STR_INIT("\xe0\x80\x80"), STR_INIT("\xe0\x9f\xbf"),
		STR_INIT("\xf0\x80\x80\x80"), STR_INIT("\xf0\x8f\xbf\xbf"), STR_INIT("\xed\xa0\x80"),
		STR_INIT("\xed\xbf\xbf"), STR_INIT("\xf4\x90\x80\x80"), STR_INIT("\xf5\x80\x80\x80"),
		STR_INIT("\xff"), STR_INIT("\xfe"), STR_INIT("a\xc3"),
		STR_INIT("\xc3"
				 "a"),
		STR_INIT("\xe2\x82"),
		STR_INIT("\xe2\x82"
				 "a"),
		STR_INIT("\xf0\x9f\x92"), STR_INIT("\xed\xa0\xbd\xed\xb2\xa9")};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(utf8_is_valid(texts[i]));
	}
}

static void is_valid__every_two_bytes__as_the_standard_says(void **state)
{
	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			const char bytes[2] = {(char)a, (char)b};
			bool expected =
				(a < 0x80 && b < 0x80) || (a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF);
			assert_int_equal(utf8_is_valid(str_from(bytes, 2)), expected);
		}
	}
}

/* ASCII is skipped eight bytes at once. */
static void is_valid__one_bad_byte_at_every_place__refused(void **state)
{
	(void)state;
	char text[24];
	for (size_t n = 1; n <= sizeof(text); n++) {
		memset(text, 'a', n);
		assert_true(utf8_is_valid(str_from(text, n)));
		for (size_t at = 0; at < n; at++) {
			text[at] = (char)0x80;
			assert_false(utf8_is_valid(str_from(text, n)));
			text[at] = 'a';
		}
	}
}

static void is_valid__good_texts__accepted(void **state)
{
	(void)state;
	assert_true(utf8_is_valid(str_from(NULL, 0)));
	assert_true(utf8_is_valid(STR("a\0b")));
	assert_true(utf8_is_valid(STR("\xef\xbf\xbf\xf4\x8f\xbf\xbf")));
}

static void next__invalid_bytes__replacement_and_one_step(void **state)
{
	(void)state;
	struct str s = STR("a\xff\xe2\x82"
					   "b\xe2\x82\xac");
	static const uint32_t expected[] = {'a', 0xFFFD, 0xFFFD, 0xFFFD, 'b', 0x20AC};
	size_t at = 0;
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		assert_int_equal(utf8_next(s, &at), expected[i]);
	}
	assert_int_equal(at, s.n);
}

static void length__mixed_text__code_points(void **state)
{
	(void)state;
	assert_int_equal(utf8_length(STR("")), 0);
	assert_int_equal(utf8_length(STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9")), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encode__every_code_point__decodes_to_itself),
		cmocka_unit_test(is_valid__malformed__refused),
		cmocka_unit_test(is_valid__one_bad_byte_at_every_place__refused),
		cmocka_unit_test(is_valid__every_two_bytes__as_the_standard_says),
		cmocka_unit_test(is_valid__good_texts__accepted),
		cmocka_unit_test(next__invalid_bytes__replacement_and_one_step),
		cmocka_unit_test(length__mixed_text__code_points),
	};
	return RUN_ALL(tests);
}
