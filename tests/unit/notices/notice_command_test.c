/*
 * Commands that people write to a sender.
 */
#include "tests/unit/base/check.h"

#include "notices/notice_command.h"

static struct notice_command command_of(struct arena *arena, const char *text)
{
	struct notice_command command;
	notice_command_read(arena, str_of(text), &command);
	return command;
}

static void command__word__kind_and_language(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const struct {
		const char *text;
		enum notice_command_kind kind;
		enum notice_command_lack lacks;
		bool is_chinese;
	} rows[] = {
		{"help", NOTICE_COMMAND_HELP, NOTICE_LACKS_NOTHING, false},
		{"  !HELP me", NOTICE_COMMAND_HELP, NOTICE_LACKS_NOTHING, false},
		{"說明", NOTICE_COMMAND_HELP, NOTICE_LACKS_NOTHING, true},
		{"　清單　", NOTICE_COMMAND_LIST, NOTICE_LACKS_NOTHING, true},
		{"show 12", NOTICE_COMMAND_SHOW, NOTICE_LACKS_NOTHING, false},
		{"顯示 #12", NOTICE_COMMAND_SHOW, NOTICE_LACKS_NOTHING, true},
		{"show", NOTICE_COMMAND_NONE, NOTICE_LACKS_NUMBER, false},
		{"取消 x", NOTICE_COMMAND_NONE, NOTICE_LACKS_NUMBER, true},
		{"seen 0", NOTICE_COMMAND_NONE, NOTICE_LACKS_NUMBER, false},
		{"", NOTICE_COMMAND_NONE, NOTICE_LACKS_COMMAND, false},
		{"hello", NOTICE_COMMAND_NONE, NOTICE_LACKS_COMMAND, false},
		{"您好", NOTICE_COMMAND_NONE, NOTICE_LACKS_COMMAND, true},
		{"send", NOTICE_COMMAND_NONE, NOTICE_LACKS_TARGET, false},
		{"send ,", NOTICE_COMMAND_NONE, NOTICE_LACKS_TARGET, false},
		{"send #a", NOTICE_COMMAND_NONE, NOTICE_LACKS_TEXT, false},
		{"schedule #a tomorrow x", NOTICE_COMMAND_NONE, NOTICE_LACKS_TIME, false},
		{"schedule #a 2026-11-30 x", NOTICE_COMMAND_NONE, NOTICE_LACKS_TIME, false},
		{"send #a [a]", NOTICE_COMMAND_SEND, NOTICE_LACKS_NOTHING, false},
		{"send #a\n[en]\n1\n[de]\n2\n[fr]\n3\n[es]\n4\n[it]\n5\n[nl]\n6\n[pl]\n7\n[cs]\n8\n[vi]\n9",
			NOTICE_COMMAND_NONE, NOTICE_LACKS_LANGUAGE, false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct notice_command command = command_of(arena, rows[i].text);
		assert_int_equal(command.kind, rows[i].kind);
		assert_int_equal(command.lacks, rows[i].lacks);
		assert_int_equal(command.is_chinese, rows[i].is_chinese);
	}
}

static void command__send__targets_and_text(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct notice_command command =
		command_of(arena, "發送　#class-3b，#class-3c、!x:hs1,\n明天**停課**\n\n請在家  自習");
	assert_int_equal(command.kind, NOTICE_COMMAND_SEND);
	assert_int_equal(command.target_count, 3);
	assert_string_equal(str_cstr(arena, command.targets[0]), "#class-3b");
	assert_string_equal(str_cstr(arena, command.targets[1]), "#class-3c");
	assert_string_equal(str_cstr(arena, command.targets[2]), "!x:hs1");
	assert_int_equal(command.text_count, 1);
	assert_string_equal(str_cstr(arena, command.texts[0].markdown), "明天**停課**\n\n請在家  自習");
}

static void command__languages__a_text_each(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct notice_command command =
		command_of(arena, "send #a\n[zh-hant]\n明天停課\n第二行\n[en]\nNo school\n[de]");
	assert_int_equal(command.text_count, 3);
	assert_string_equal(str_cstr(arena, command.texts[0].lang), "zh-Hant");
	assert_string_equal(str_cstr(arena, command.texts[0].markdown), "明天停課\n第二行");
	assert_string_equal(str_cstr(arena, command.texts[1].markdown), "No school");
	assert_int_equal(command.texts[2].markdown.n, 0);
}

static void command__schedule__time_and_rule(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const char *const texts[] = {"schedule #a 2026-11-30T07:00 water",
		"schedule #a 2026-11-30 07:00 water", "排程 #a 2026-11-30 7:00\nwater"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct notice_command command = command_of(arena, texts[i]);
		assert_int_equal(command.kind, NOTICE_COMMAND_SCHEDULE);
		assert_string_equal(str_cstr(arena, command.time), "2026-11-30T07:00");
		assert_null(command.rule.p);
		assert_string_equal(str_cstr(arena, command.texts[0].markdown), "water");
	}
	struct notice_command command =
		command_of(arena, "schedule #a 2026-11-30 07:00 FREQ=WEEKLY;BYDAY=MO water");
	assert_string_equal(str_cstr(arena, command.rule), "FREQ=WEEKLY;BYDAY=MO");
	assert_string_equal(str_cstr(arena, command.texts[0].markdown), "water");
}

static void command__seen__of_what(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_false(command_of(arena, "seen 3").is_confirmed);
	assert_true(command_of(arena, "remind 3 confirmed").is_confirmed);
	assert_true(command_of(arena, "已讀 3 確認").is_confirmed);
	assert_int_equal(command_of(arena, "已讀 3 確認").notice_id, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command__word__kind_and_language),
		cmocka_unit_test(command__send__targets_and_text),
		cmocka_unit_test(command__languages__a_text_each),
		cmocka_unit_test(command__schedule__time_and_rule),
		cmocka_unit_test(command__seen__of_what),
	};
	return RUN_ALL(tests);
}
