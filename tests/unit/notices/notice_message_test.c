/*
 * Languages: which text for whom, and several in one message.
 */
#include "tests/unit/base/check.h"

#include "notices/notice_message.h"

static void lang__tags__written_as_usual(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const char *const rows[][2] = {{"zh-hant-tw", "zh-Hant-TW"}, {"EN", "en"},
		{"en-gb", "en-GB"}, {"sl-rozaj", "sl-rozaj"}, {"fil", "fil"}, {"es-419", "es-419"},
		{"", NULL}, {"e", NULL}, {"en-", NULL}, {"-en", NULL}, {"en--gb", NULL}, {"en_GB", NULL},
		{"e1", NULL}, {"toolonglanguage", NULL}, {"中文", NULL}, {"en-gb ", NULL},
		{"a123456789-a123456789-a123456789-a1234", NULL}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str out = {0};
		assert_int_equal(notice_lang_read(arena, str_of(rows[i][0]), &out), rows[i][1] != NULL);
		if (rows[i][1] != NULL) {
			assert_string_equal(str_cstr(arena, out), rows[i][1]);
		}
	}
}

static void lang__wanted__nearest_text(void **state)
{
	(void)state;
	static const struct notice_text texts[] = {{STR_INIT("en"), STR_INIT("e")},
		{STR_INIT("zh-Hans"), STR_INIT("s")}, {STR_INIT("zh-Hant"), STR_INIT("t")},
		{STR_INIT("vi-VN"), STR_INIT("v")}, {STR_INIT("zh-HK"), STR_INIT("h")}};
	static const struct {
		const char *wanted;
		size_t index;
	} rows[] = {{"en", 0}, {"en-GB", 0}, {"zh-Hant-TW", 2}, {"zh-TW", 2}, {"zh-CN", 1},
		{"zh-HK", 4}, {"zh-MO", 2}, {"zh", 1}, {"vi", 3}, {"de", SIZE_MAX}, {"", SIZE_MAX},
		{"e", SIZE_MAX}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(notice_lang_find(texts, COUNT_OF(texts), str_of(rows[i].wanted)),
			rows[i].index);
	}
}

static const struct notice_text both[] = {{STR_INIT("zh-Hant"), STR_INIT("明天**放假**")},
	{STR_INIT("en"), STR_INIT("No school")}};

static void compose__no_wish__all_in_order(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct json content;
	ctx_init(&ctx, arena);
	const struct notice_message message = {.texts = both, .count = 2};
	assert_int_equal(notice_message_compose(&ctx, &message, &content), ERR_OK);
	assert_text(json_get_str(&content, STR("msgtype")), "m.text");
	assert_text(json_get_str(&content, STR("format")), "org.matrix.custom.html");
	assert_text(json_get_str(&content, STR("body")), "明天放假\n\n———\n\nNo school");
	assert_text(json_get_str(&content, STR("formatted_body")),
		"<p>明天<strong>放假</strong></p><hr><p>No school</p>");
	assert_int_equal(json_at(&content, "m.mentions")->count, 0);
}

static void compose__wishes__those_with_fallback_and_late_note(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct json content;
	const struct str wanted[] = {STR("en-US"), STR("en"), STR("zh-TW"), STR("ja")};
	ctx_init(&ctx, arena);
	struct notice_message message = {.texts = both,
		.count = 2,
		.wanted = wanted,
		.wanted_count = 4,
		.late_since = STR("2026-11-26 07:00")};
	assert_int_equal(notice_message_compose(&ctx, &message, &content), ERR_OK);
	assert_text(json_get_str(&content, STR("body")),
		"(Late: this was due 2026-11-26 07:00.)\n\nNo school\n\n———\n\n"
		"（延遲送達：原定 2026-11-26 07:00）\n\n明天放假");
	message.wanted = &wanted[3];
	message.wanted_count = 1;
	message.late_since = STR("");
	assert_int_equal(notice_message_compose(&ctx, &message, &content), ERR_OK);
	assert_text(json_get_str(&content, STR("body")), "明天放假");
}

static void compose__too_long_together__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct json content;
	struct notice_text texts[4];
	struct str lines[NOTICE_TEXT_MAX_BYTES / 4];
	ctx_init(&ctx, arena);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		lines[i] = STR("abc\n");
	}
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		texts[i] = (struct notice_text){STR("en"), str_concat(arena, lines, COUNT_OF(lines))};
	}
	struct notice_message message = {.texts = texts, .count = 1};
	assert_int_equal(notice_message_compose(&ctx, &message, &content), ERR_OK);
	message.count = 4;
	assert_int_equal(notice_message_compose(&ctx, &message, &content), ERR_INPUT);
	assert_string_equal(ctx.fault.errcode, "M_TOO_LARGE");
}

int main(void)
{
	notice_text_start();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lang__tags__written_as_usual),
		cmocka_unit_test(lang__wanted__nearest_text),
		cmocka_unit_test(compose__no_wish__all_in_order),
		cmocka_unit_test(compose__wishes__those_with_fallback_and_late_note),
		cmocka_unit_test(compose__too_long_together__refused),
	};
	return RUN_ALL(tests);
}
