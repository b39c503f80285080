/*
 * Tokens: what was written is read; nothing else is.
 */
#include "homeserver/timeline/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_token__written__read_again(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const struct token tokens[] = {{0, 0, 0, 0}, {1, 0, 0, 0}, {42, 1700000000000, 0, 0},
		{INT64_MAX - 1, INT64_MAX - 1, 0, 0}, {42, 5, 41, 0}, {INT64_MAX - 1, 0, INT64_MAX - 2, 0},
		{-1, 0, 0, 0}, {-((int64_t)1 << 60), 7, 0, 0}, {42, 7, 0, 1},
		{INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 2, INT64_MAX - 1}};
	for (size_t i = 0; i < COUNT_OF(tokens); i++) {
		struct token read;
		assert_true(token_parse(token_text(arena, tokens[i]), &read));
		assert_true(read.position == tokens[i].position);
		assert_true(read.ephemeral == tokens[i].ephemeral);
		assert_true(read.messages == tokens[i].messages);
		assert_true(read.connection == tokens[i].connection);
	}
}

static void test_token__malformed__refused_and_untouched(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "s", "s1", "s_", "s1_", "s_1", "1_1", "t1_1", "S1_1",
		"s-1_0", "s1_-1", "s01_0", "s1_00", "s1_2_3", "s1_2_3_x", "s9_2_0", "s9_2_9", "s9_2_-1",
		"s9_2_", "s 1_0", "s1_0 ", "s+1_0", "s1.0_0", "s1e3_0", "s9223372036854775807_0",
		"s1_9223372036854775807", "s99999999999999999999999999_0", "nonsense", "s42_-0", "s-0_0",
		"s0x1_0", "s1_0~", "s1_0~0", "s1_0~x", "s1_0~1~1", "s1~1", "~1", "ss1_0", "h0_0", "h-1_0",
		"h1152921504606846977_0", "h1_0_1", "h_0"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct token token = {7, 8, 9, 0};
		assert_false(token_parse(str_of(texts[i]), &token));
		assert_true(token.position == 7 && token.ephemeral == 8 && token.messages == 9);
	}
}

static void test_token__byte_zero_inside__refused(void **state)
{
	(void)state;
	struct token token;
	assert_false(token_parse(STR("s1_0\0"), &token));
	assert_false(token_parse(STR("s1\0_0"), &token));
	assert_false(token_parse(str_from(NULL, 0), &token));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token__written__read_again),
		cmocka_unit_test(test_token__malformed__refused_and_untouched),
		cmocka_unit_test(test_token__byte_zero_inside__refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
