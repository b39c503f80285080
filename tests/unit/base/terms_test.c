/*
 * Folding and terms: what a text is split into, what finds it, and where.
 */
#include "base/terms.h"

#include "base/arena.h"
#include "base/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

static struct str joined(struct arena *arena, const char *text)
{
	struct term *terms;
	size_t count;
	terms_split(arena, str_of(text), 100, &terms, &count);
	struct str all = STR("");
	for (size_t i = 0; i < count; i++) {
		all = str_printf(arena, "%.*s%s%.*s", STR_ARG(all), i == 0 ? "" : " ",
			STR_ARG(terms[i].text));
	}
	return all;
}

static void check_terms(const char *text, const char *expected)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_string_equal(joined(arena, text).p, expected);
}

static void terms__words__folded_and_without_endings(void **state)
{
	(void)state;
	check_terms("", "");
	check_terms(" .,!? ", "");
	check_terms("Hello, World!", "hello world");
	check_terms("Exams and EXAM", "exam and exam");
	check_terms("don't the teacher's", "dont the teacher");
	check_terms("Straße STRASSE", "strass strass");
	check_terms("Ｆｕｌｌ　Ｗｉｄｔｈ ①", "full width 1");
	check_terms("Привет МИР", "привет мир");
	check_terms("school_2024-25", "school 2024 25");
}

static void terms__characters__pairs_and_the_last_one(void **state)
{
	(void)state;
	check_terms("學校", "学校 校");
	check_terms("学校", "学校 校");
	check_terms("數學作業", "数学 学作 作业 业");
	check_terms("貓", "猫");
	check_terms("食べる", "食べ べる る");
	check_terms("ｶﾞｯｺｳ", "ガッ ッコ コウ ウ");
	check_terms("학교에 가다", "학교 교에 에 가다 다");
	check_terms("三年2班Room A", "三年 年 2 班 room a");
	check_terms("ราคา", "รา าค คา า");
}

static void terms__marks_alone_and_broken_bytes__nothing_breaks(void **state)
{
	(void)state;
	check_terms("\xcc\x81", "");
	check_terms("a\xff"
				"b",
		"a b");
	check_terms("\xe5\xad", "");
	check_terms("e\xcc\x81t", "ét");
}

static void terms__very_long_word__cut_between_characters(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char text[3 * TERM_MAX_BYTES + 1];
	for (size_t i = 0; i + 1 < sizeof(text); i += 2) {
		memcpy(text + i, "\xd1\x8f", 2);
	}
	text[sizeof(text) - 1] = '\0';
	struct term *terms;
	size_t count;
	terms_split(arena, str_of(text), 10, &terms, &count);
	assert_int_equal(count, 1);
	assert_int_equal(terms[0].text.n, TERM_MAX_BYTES);
	assert_int_equal(terms[0].end, sizeof(text) - 1);
}

static void terms__max__the_rest_is_left_out(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct term *terms;
	size_t count;
	terms_split(arena, STR("a b c 一二三四"), 5, &terms, &count);
	assert_int_equal(count, 5);
	assert_int_equal(terms[4].position, 5);
}

static void query__runs_and_quotes__bound_the_rest_is_free(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct term_match *matches;
	size_t count;
	terms_query(arena, STR("年級2班 \"open day\" 貓"), 32, &matches, &count);
	assert_int_equal(count, 6);
	static const char *const texts[] = {"年级", "2", "班", "open", "day", "猫"};
	static const uint32_t distances[] = {0, 2, 1, 0, 1, 0};
	static const bool prefixes[] = {false, false, true, false, false, true};
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(matches[i].text.p, texts[i]);
		assert_int_equal(matches[i].distance, distances[i]);
		assert_int_equal(matches[i].is_prefix, prefixes[i]);
	}
	terms_query(arena, STR("?! …"), 32, &matches, &count);
	assert_int_equal(count, 0);
}

static void check_found(const char *query, const char *text, const char *expected)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct term_match *matches;
	size_t count;
	terms_query(arena, str_of(query), 32, &matches, &count);
	struct term_span *spans;
	size_t span_count;
	terms_find(arena, str_of(text), matches, count, 10, &spans, &span_count);
	struct str all = STR("");
	for (size_t i = 0; i < span_count; i++) {
		all = str_printf(arena, "%.*s[%.*s]", STR_ARG(all), (int)(spans[i].end - spans[i].start),
			text + spans[i].start);
	}
	assert_string_equal(all.p, expected);
}

static void find__original_text_of_what_matched(void **state)
{
	(void)state;
	check_found("martian men", "The Martians met MEN, and a man.", "[Martians][MEN]");
	check_found("学校", "我們的學校在台北,學 校", "[學校]");
	check_found("數學作業", "交数学作业了", "[数学作业]");
	check_found("貓", "這隻貓咪和猫", "[貓][猫]");
	check_found("ガッコウ", "ここはｶﾞｯｺｳです", "[ｶﾞｯｺｳ]");
	check_found("학교", "학교에서 공부", "[학교]");
}

static void names__no_endings_lost__beginnings_match(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct term *terms;
	size_t count;
	terms_split_names(arena, STR("Alice Jones 王小明"), 10, &terms, &count);
	assert_int_equal(count, 5);
	assert_string_equal(terms[0].text.p, "alice");
	assert_string_equal(terms[1].text.p, "jones");
	struct term_match *matches;
	terms_query_names(arena, STR("Jon 小明"), 10, &matches, &count);
	assert_int_equal(count, 2);
	assert_string_equal(matches[0].text.p, "jon");
	assert_string_equal(matches[1].text.p, "小明");
	assert_true(matches[0].is_prefix && matches[1].is_prefix);
	assert_int_equal(matches[1].distance, 0);
	struct str folded = fold_whole(arena, STR("ＬＩＮ 陳國"));
	assert_true(str_equals(folded, STR("lin 陈国")));
}

static void fold__han__pairs_of_the_table(void **state)
{
	(void)state;
	static const uint32_t pairs[][2] = {{0x5b78, 0x5b66}, {0x570b, 0x56fd}, {0x767c, 0x53d1},
		{0x9aee, 0x53d1}, {0x5b66, 0x5b66}, {'a', 'a'}, {0x3042, 0x3042}, {0x10ffff, 0x10ffff}};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		assert_int_equal(fold_han(pairs[i][0]), pairs[i][1]);
		assert_int_equal(fold_han(pairs[i][1]), pairs[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms__words__folded_and_without_endings),
		cmocka_unit_test(terms__characters__pairs_and_the_last_one),
		cmocka_unit_test(terms__marks_alone_and_broken_bytes__nothing_breaks),
		cmocka_unit_test(terms__very_long_word__cut_between_characters),
		cmocka_unit_test(terms__max__the_rest_is_left_out),
		cmocka_unit_test(query__runs_and_quotes__bound_the_rest_is_free),
		cmocka_unit_test(find__original_text_of_what_matched),
		cmocka_unit_test(names__no_endings_lost__beginnings_match),
		cmocka_unit_test(fold__han__pairs_of_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
