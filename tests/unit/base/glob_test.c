/*
 * Globs: the published vectors, word boundaries, and random patterns against a naive matcher.
 */
#include "check.h"

#include "base/casefold.h"
#include "base/ctx.h"
#include "base/file.h"
#include "base/glob.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tests/support/cpu_time.h"

static void match__published_vectors__equal(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *folder = getenv("BELFRY_SPEC_VECTORS");
	if (folder == NULL) {
		skip();
	}
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct str text;
	struct json root;
	assert_int_equal(
		file_read(&ctx, arena_printf(arena, "%s/globs_and_paths.json", folder), 1 << 20, &text),
		ERR_OK);
	assert_int_equal(json_parse(arena, text, NULL, &root, NULL), JSON_OK);
	const struct json *globs = json_at(&root, "globs");
	assert_true(json_is(globs, JSON_ARRAY));
	assert_true(globs->count > 0);
	for (size_t i = 0; i < globs->count; i++) {
		struct str pattern = json_get_str(&globs->items[i], STR("pattern"));
		struct str subject = json_get_str(&globs->items[i], STR("text"));
		bool expected = json_get_bool(&globs->items[i], STR("match"), false);
		if (glob_match(pattern, subject, true) != expected) {
			fail_msg("%.*s on %.*s", STR_ARG(pattern), STR_ARG(subject));
		}
	}
}

struct row {
	const char *pattern;
	const char *text;
	bool matches;
};

static void match__whole_text__as_listed(void **state)
{
	(void)state;
	static const struct row rows[] = {{"", "", true}, {"", "a", false}, {"a", "", false},
		{"*", "", true}, {"**", "", true}, {"***", "abc", true}, {"?", "a", true}, {"?", "", false},
		{"?", "ab", false}, {"??", "a", false}, {"a*", "a", true}, {"a*", "ba", false},
		{"*a", "ba", true}, {"*a", "ab", false}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"*a*", "bab", true}, {"*ab*ab*", "ab", false}, {"*ab*ab*", "abab", true},
		{"*ab*ba*", "aba", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*?", "", false},
		{"?*", "a", true}, {"*?*?*", "a", false}, {"*?*?*", "ab", true}, {"?", "\xc3\xa4", true},
		{"?", "\xf0\x9f\x92\xa9", true}, {"??", "\xc3\xa4", false}, {"*\xa4", "\xc3\xa4", true},
		{"*?x", "\xe2\x82\xacx", true}, {"a\\*b", "a\\xb", true}, {"a\\*b", "a*b", false},
		{"[a]", "[a]", true}, {"[a]", "a", false}, {"{a,b}", "a", false}, {"a", "A", false}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (glob_match(str_of(rows[i].pattern), str_of(rows[i].text), false) != rows[i].matches &&
			strcmp(rows[i].pattern, "*\xa4") != 0) { /* not UTF-8: only must not crash */
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
		}
	}
	assert_true(glob_match(str_from(NULL, 0), str_from(NULL, 0), false));
	assert_true(glob_match(str_from(NULL, 0), str_from(NULL, 0), true));
	assert_true(glob_match(STR("a*c"), STR("a\0c"), false));
}

static void match__ignoring_case__unicode_simple_folding(void **state)
{
	(void)state;
	static const struct row rows[] = {{"LUNC?*", "lunch", true}, {"\xc3\x84*", "\xc3\xa4x", true},
		{"\xd0\x9f\xd1\x80?\xd0\x92", "\xd0\xbf\xd0\xa0\xd0\xb8\xd0\xb2", true},
		{"\xce\xa3", "\xcf\x82", true}, {"k", "\xe2\x84\xaa", true},
		{"\xe1\xba\x9e", "\xc3\x9f", true}, {"\xc3\x9f", "ss", false},
		{"\xc8\xba", "\xe2\xb1\xa5", true}, {"i", "\xc4\xb0", false},
		{"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8", true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (glob_match(str_of(rows[i].pattern), str_of(rows[i].text), true) != rows[i].matches) {
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
		}
	}
}

static void match_word__body__as_listed(void **state)
{
	(void)state;
	static const struct row rows[] = {/* the specification's own */
		{"ex*ple", "An example event.", true}, {"ex*ple", "exple", true},
		{"ex*ple", "An exciting triple-whammy", true},
		/* words */
		{"cake", "I like Cake!", true}, {"cake", "cakes", false}, {"cake", "pancake", false},
		{"cake", "pan_cake", false}, {"cake", "pan-cake", true}, {"cake", "cake", true},
		{"cake", "cakes and cake", true}, {"cake", "", false}, {"", "", false}, {"", "a", false},
		{"*", "", true}, {"*", "anything", true}, {"cake*", "cakes", true},
		{"cake*", "pancakes", false}, {"*cake", "pancake", true}, {"*cake", "pancakes", false},
		{"*cake*", "pancakes", true}, {"c?ke", "a coke here", true}, {"c?ke", "cke", false},
		{"c?ke", "acoke", false}, {"?", "a", true}, {"?", "ab", false}, {"?", "a b", true},
		{"a?", "a", false}, {"foo bar", "x foo bar y", true}, {"foo bar", "xfoo bar", false},
		{"@room", "hi @room", true}, {"@room", "@rooms", false}, {"@room", "mail@room", true},
		{"!help", "do !help", true}, {"caf\xc3\xa9", "le caf\xc3\xa9.", true},
		{"caf", "caf\xc3\xa9", true}, {"a*b", "xa b", false}, {"a*b", "xa a cb b", true},
		{"a*b*c", "a bb cc c", true}, {"a*b*c", "a bb cc", true}, {"a*b*c", "a bb cd", false},
		{"aa", "aaa aa", true}, {"abab", "ababab abab", true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (glob_match_word(str_of(rows[i].pattern), str_of(rows[i].text)) != rows[i].matches) {
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
		}
	}
}

/* The definition, tried out; texts of one-byte and two-byte characters. */
static bool naive(const char *pattern, const char *end, const char *text, const char *text_end)
{
	if (pattern == end) {
		return text == text_end;
	}
	if (*pattern == '*') {
		return naive(pattern + 1, end, text, text_end) ||
			(text < text_end && naive(pattern, end, text + 1, text_end));
	}
	if (text == text_end) {
		return false;
	}
	if (*pattern == '?') {
		size_t step = (unsigned char)*text >= 0xC0 ? 2 : 1;
		return ((unsigned char)*text & 0xC0) != 0x80 &&
			naive(pattern + 1, end, text + step, text_end);
	}
	return *pattern == *text && naive(pattern + 1, end, text + 1, text_end);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

static bool naive_word(struct str pattern, struct str text)
{
	for (size_t from = 0; from <= text.n; from++) {
		if (from > 0 && from < text.n && is_word(text.p[from - 1]) && is_word(text.p[from])) {
			continue;
		}
		for (size_t to = from; to <= text.n; to++) {
			bool at_boundary =
				to == 0 || to == text.n || !is_word(text.p[to - 1]) || !is_word(text.p[to]);
			if (at_boundary &&
				naive(pattern.p, pattern.p + pattern.n, text.p + from, text.p + to)) {
				return true;
			}
		}
	}
	return false;
}

static struct str generate(char *room, const char *const *pieces, size_t piece_n, uint32_t most,
	uint64_t *seed)
{
	size_t n = 0;
	for (uint32_t count = next_random(seed) % (most + 1); count > 0; count--) {
		const char *piece = pieces[next_random(seed) % piece_n];
		for (; *piece != '\0'; piece++) {
			room[n++] = *piece;
		}
	}
	return str_from(room, n);
}

static void match__random__as_the_naive_matcher_says(void **state)
{
	(void)state;
	static const char *const pattern_pieces[] = {"a", "b", "a", "b", "\xc3\xa4", "*", "*", "?",
		"-"};
	static const char *const text_pieces[] = {"a", "b", "a", "b", "\xc3\xa4", "-", "_"};
	uint64_t seed = 3;
	size_t matched = 0;
	for (int i = 0; i < 100000; i++) {
		char pattern_room[32];
		char text_room[32];
		struct str pattern =
			generate(pattern_room, pattern_pieces, COUNT_OF(pattern_pieces), 7, &seed);
		struct str text = generate(text_room, text_pieces, COUNT_OF(text_pieces), 9, &seed);
		bool whole = naive(pattern.p, pattern.p + pattern.n, text.p, text.p + text.n);
		bool word = pattern.n > 0 && naive_word(pattern, text);
		matched += whole + word;
		if (glob_match(pattern, text, false) != whole || glob_match(pattern, text, true) != whole ||
			glob_match_word(pattern, text) != word) {
			fail_msg("'%.*s' on '%.*s'", STR_ARG(pattern), STR_ARG(text));
		}
	}
	assert_true(matched > 5000);
}

static void match__evil_patterns__soon_answered(void **state)
{
	(void)state;
	enum { LENGTH = 60000 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char *text = arena_alloc(arena, LENGTH);
	char *pattern = arena_alloc(arena, LENGTH);
	memset(text, 'a', LENGTH);
	int64_t start_us = cpu_time_us();
	/* *a*a*a…b */
	for (size_t i = 0; i < LENGTH; i++) {
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	}
	pattern[LENGTH - 1] = 'b';
	assert_false(glob_match(str_from(pattern, LENGTH), str_from(text, LENGTH), true));
	assert_false(glob_match_word(str_from(pattern, LENGTH), str_from(text, LENGTH)));
	/* *aaaa…ab* : a long run that nearly fits everywhere */
	memset(pattern, 'a', LENGTH);
	pattern[0] = '*';
	pattern[LENGTH / 2] = 'b';
	pattern[LENGTH / 2 + 1] = '*';
	assert_false(glob_match(str_from(pattern, LENGTH / 2 + 2), str_from(text, LENGTH), true));
	/* The same with boundaries everywhere. */
	for (size_t i = 0; i < LENGTH; i++) {
		text[i] = i % 2 == 0 ? 'a' : '-';
	}
	memcpy(pattern, text, LENGTH / 2);
	pattern[LENGTH / 2 - 1] = 'b';
	assert_false(glob_match_word(str_from(pattern, LENGTH / 2), str_from(text, LENGTH)));
	/* *a?a?a?…b*, of the longest kind that is tried */
	memset(text, 'a', LENGTH);
	memset(pattern, '?', GLOB_MAX_RUN + 1);
	pattern[0] = '*';
	pattern[GLOB_MAX_RUN] = 'b';
	pattern[GLOB_MAX_RUN + 1] = '*';
	assert_false(glob_match(str_from(pattern, GLOB_MAX_RUN + 2), str_from(text, LENGTH), true));
	/* Far above what it takes, far below what trying all ways would. */
	assert_true(cpu_time_us() - start_us < INT64_C(20) * 1000000);
}

static void match__run_at_the_limit__found_and_beyond_not(void **state)
{
	(void)state;
	char pattern[GLOB_MAX_RUN + 3];
	char text[GLOB_MAX_RUN + 1];
	memset(text, 'x', sizeof(text));
	memset(pattern, '?', sizeof(pattern));
	pattern[0] = '*';
	pattern[GLOB_MAX_RUN + 1] = '*';
	assert_true(
		glob_match(str_from(pattern, GLOB_MAX_RUN + 2), str_from(text, sizeof(text)), false));
	pattern[GLOB_MAX_RUN + 1] = '?';
	pattern[GLOB_MAX_RUN + 2] = '*';
	assert_false(
		glob_match(str_from(pattern, GLOB_MAX_RUN + 3), str_from(text, sizeof(text)), false));
	/* At the ends any length is compared. */
	assert_true(
		glob_match(str_from(pattern + 1, GLOB_MAX_RUN + 1), str_from(text, sizeof(text)), false));
}

static void casefold__table__idempotent_and_known_pairs(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10FFFF; c++) {
		uint32_t folded = casefold(c);
		if (casefold(folded) != folded) {
			fail_msg("U+%04X", c);
		}
		char room[16];
		size_t before = c < 0xD800 || c > 0xDFFF ? utf8_encode(c, room) : 0;
		if (before > 0) {
			assert_true(utf8_encode(folded, room) <= casefold_room(before));
		}
	}
	static const uint32_t pairs[][2] = {{'A', 'a'}, {'Z', 'z'}, {'[', '['}, {0xB5, 0x3BC},
		{0xC0, 0xE0}, {0xD7, 0xD7}, {0xDE, 0xFE}, {0x100, 0x101}, {0x101, 0x101}, {0x130, 0x130},
		{0x178, 0xFF}, {0x17F, 's'}, {0x1C5, 0x1C6}, {0x3A3, 0x3C3}, {0x3C2, 0x3C3}, {0x410, 0x430},
		{0x13A0, 0x13A0}, {0xAB70, 0x13A0}, {0x1E9E, 0xDF}, {0x1F88, 0x1F80}, {0x2126, 0x3C9},
		{0x212A, 'k'}, {0x24B6, 0x24D0}, {0xA64A, 0xA64B}, {0xFF21, 0xFF41}, {0x10400, 0x10428},
		{0x1E900, 0x1E922}};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		assert_int_equal(casefold(pairs[i][0]), pairs[i][1]);
	}
}

static void casefold_text__mixed_and_invalid__folded_or_kept(void **state)
{
	(void)state;
	char room[64];
	struct str text = STR("A\xff\xc3\x84\xef\xbf\xbd"
						  "B\xe2\x82");
	assert_true(casefold_room(text.n) <= sizeof(room));
	assert_text(str_from(room, casefold_text(text, room)),
		"a\xff\xc3\xa4\xef\xbf\xbd"
		"b\xe2\x82");
	/* The worst growth, many times. */
	char source[40];
	for (size_t i = 0; i < sizeof(source); i += 2) {
		source[i] = '\xc8';
		source[i + 1] = '\xba';
	}
	assert_int_equal(casefold_text(str_from(source, sizeof(source)), room), 60);
	assert_true(casefold_room(sizeof(source)) >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(match__published_vectors__equal),
		cmocka_unit_test(match__whole_text__as_listed),
		cmocka_unit_test(match__ignoring_case__unicode_simple_folding),
		cmocka_unit_test(match_word__body__as_listed),
		cmocka_unit_test(match__random__as_the_naive_matcher_says),
		cmocka_unit_test(match__evil_patterns__soon_answered),
		cmocka_unit_test(match__run_at_the_limit__found_and_beyond_not),
		cmocka_unit_test(casefold__table__idempotent_and_known_pairs),
		cmocka_unit_test(casefold_text__mixed_and_invalid__folded_or_kept),
	};
	return RUN_ALL(tests);
}
