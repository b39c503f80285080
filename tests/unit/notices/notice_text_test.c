/*
 * Markdown in, both texts out; what must never get through.
 */
#include "tests/unit/base/check.h"

#include "base/buf.h"
#include "notices/notice_text.h"
#include "tests/support/cpu_time.h"

struct row {
	const char *markdown;
	const char *html;
	const char *plain;
};

static void check_rows(const struct row *rows, size_t count)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	for (size_t i = 0; i < count; i++) {
		struct notice_markup markup = {0};
		assert_int_equal(notice_text_render(&ctx, str_of(rows[i].markdown), &markup), ERR_OK);
		assert_string_equal(str_cstr(arena, markup.html), rows[i].html);
		assert_string_equal(str_cstr(arena, markup.plain), rows[i].plain);
	}
}

static void render__commonmark__both_texts(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"明天放假", "<p>明天放假</p>", "明天放假"},
		{"one\ntwo", "<p>one<br>two</p>", "one\ntwo"},
		{"one\n\ntwo", "<p>one</p><p>two</p>", "one\n\ntwo"},
		{"# 重要\n請 **簽名** 並 *交回*",
			"<h1>重要</h1><p>請 <strong>簽名</strong> 並 <em>交回</em></p>",
			"重要\n\n請 簽名 並 交回"},
		{"- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>",
			"- a\n- b\n  - c\n- d"},
		{"3. a\n4. b", "<ol start=\"3\"><li>a</li><li>b</li></ol>", "3. a\n4. b"},
		{"x\n\n1. a\n\n2. b", "<p>x</p><ol><li><p>a</p></li><li><p>b</p></li></ol>",
			"x\n\n1. a\n\n2. b"},
		{"> q\n> - x\n\nafter", "<blockquote><p>q</p><ul><li>x</li></ul></blockquote><p>after</p>",
			"> q\n> - x\n\nafter"},
		{"`a<b`", "<p><code>a&lt;b</code></p>", "a<b"},
		{"```c x\nint a;\n\nb\n```", "<pre><code class=\"language-c\">int a;\n\nb\n</code></pre>",
			"int a;\n\nb"},
		{"a\n\n---\n\nb", "<p>a</p><hr><p>b</p>", "a\n\n———\n\nb"},
		{"~~old~~", "<p><del>old</del></p>", "~~old~~"},
		{"| 日 | 餐 |\n|---|:-:|\n| 一 | 飯 |\n| 二 | 麵 |",
			"<table><thead><tr><th>日</th><th>餐</th></tr></thead><tbody><tr><td>一</td><td>飯</td></tr>"
			"<tr><td>二</td><td>麵</td></tr></tbody></table>",
			"日 | 餐\n一 | 飯\n二 | 麵"},
		{"-\n- x", "<ul><li></li><li>x</li></ul>", "- \n- x"},
	};
	check_rows(rows, COUNT_OF(rows));
}

static void render__links_and_images__only_what_clients_may_show(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"[form](https://s.example/f?a=1&b=2)",
			"<p><a href=\"https://s.example/f?a=1&amp;b=2\">form</a></p>",
			"form (https://s.example/f?a=1&b=2)"},
		{"<https://s.example/>", "<p><a href=\"https://s.example/\">https://s.example/</a></p>",
			"https://s.example/"},
		{"<o@s.example>", "<p><a href=\"mailto:o@s.example\">o@s.example</a></p>", "o@s.example"},
		{"[x](javascript:alert(1))", "<p>x</p>", "x"},
		{"[x](JAVASCRIPT:alert(1))", "<p>x</p>", "x"},
		{"[x](data:text/html,a)", "<p>x</p>", "x"},
		{"[x](/relative)", "<p>x</p>", "x"},
		{"[x](<https://a\"onclick=b>)", "<p><a href=\"https://a&quot;onclick=b\">x</a></p>",
			"x (https://a\"onclick=b)"},
		{"![map *of* it](mxc://s/a)", "<p><img src=\"mxc://s/a\" alt=\"map of it\"></p>",
			"map of it"},
		{"![map](https://s.example/a.png)", "<p><a href=\"https://s.example/a.png\">map</a></p>",
			"map"},
		{"![a](javascript:x)", "<p>a</p>", "a"},
		{"[![a](https://x/i)](https://x/l)", "<p><a href=\"https://x/l\">a</a></p>",
			"a (https://x/l)"},
	};
	check_rows(rows, COUNT_OF(rows));
}

static void render__html__is_shown_as_text(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"a <script>alert(1)</script> b", "<p>a &lt;script&gt;alert(1)&lt;/script&gt; b</p>",
			"a <script>alert(1)</script> b"},
		{"<div onclick=x>\n<b>y</b>\n</div>",
			"<p>&lt;div onclick=x&gt;\n&lt;b&gt;y&lt;/b&gt;\n&lt;/div&gt;</p>",
			"<div onclick=x>\n<b>y</b>\n</div>"},
		{"&lt;img src=x&gt;", "<p>&lt;img src=x&gt;</p>", "<img src=x>"},
		{"```x\"onclick\ny\n```", "<pre><code>y\n</code></pre>", "y"},
	};
	check_rows(rows, COUNT_OF(rows));
}

static enum err render(const char *text, size_t times)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct buf buf CLEANUP(buf_fini) = {0};
	struct notice_markup markup;
	ctx_init(&ctx, arena);
	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < times; i++) {
		buf_add(&buf, str_of(text));
	}
	enum err err = notice_text_render(&ctx, buf_str(&buf), &markup);
	assert_true(err == ERR_OK || ctx.fault.text.n > 0);
	return err;
}

static void render__bad_texts__refused(void **state)
{
	(void)state;
	assert_int_equal(render("", 1), ERR_INPUT);
	assert_int_equal(render(" \n\n ", 1), ERR_INPUT);
	assert_int_equal(render("[a]: https://x", 1), ERR_INPUT);
	assert_int_equal(render("\xff", 1), ERR_INPUT);
	assert_int_equal(render("a\x01", 1), ERR_INPUT);
	assert_int_equal(render("a", NOTICE_TEXT_MAX_BYTES), ERR_OK);
	assert_int_equal(render("a", NOTICE_TEXT_MAX_BYTES + 1), ERR_INPUT);
	assert_int_equal(render(">", 1000), ERR_INPUT);
	assert_int_equal(render("+ ", 1000), ERR_INPUT);
	assert_int_equal(render("> ", 40), ERR_INPUT); /* nothing in it */
}

/* Known to be slow in one or another Markdown reader. */
static void render__hostile_texts__take_no_time(void **state)
{
	(void)state;
	static const char *const texts[] = {"[", "![", "[a](", "*a **a ", "a**b", "`a``", "<!--", "<?",
		"|x|\n", "&", "~~a ", "a_b*c ", "[a]: u\n", "\\", "- x\n", "1. \n", "> a\n", "![[]()",
		"<a href=\"", "|\n-\n", "[^a]:", "*_"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		int64_t start_us = cpu_time_us();
		(void)render(texts[i], NOTICE_TEXT_MAX_BYTES / strlen(texts[i]));
		int64_t took_us = cpu_time_us() - start_us;
		if (took_us > 3000000) {
			fail_msg("%s: %lld us", texts[i], (long long)took_us);
		}
	}
}

int main(void)
{
	notice_text_start();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(render__commonmark__both_texts),
		cmocka_unit_test(render__links_and_images__only_what_clients_may_show),
		cmocka_unit_test(render__html__is_shown_as_text),
		cmocka_unit_test(render__bad_texts__refused),
		cmocka_unit_test(render__hostile_texts__take_no_time),
	};
	return RUN_ALL(tests);
}
