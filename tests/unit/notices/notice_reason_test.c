/* Reasons in Chinese: filled in like the English ones; what is not known stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notices/notice_reason.h"

static void assert_says(const char *english, const char *chinese)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str said = notice_reason_in_chinese(arena, str_of(english));
	assert_string_equal(str_cstr(arena, said), chinese);
}

static void reason__known__in_chinese(void **state)
{
	(void)state;
	assert_says("The text is empty", "沒有內容");
	assert_says("There is no notice 12", "沒有編號 12 的通知");
	assert_says("There is no notice 12 of which something is still to be sent",
		"通知 12 沒有尚待發送的部分");
	assert_says("Notice 12 has been sent 3 time(s)", "通知 12 只發送過 3 次");
	assert_says("'a' or 'b' is neither a room id nor an alias, such as #class-3b",
		"「a' or 'b」不是聊天室代號或別名（例如 #class-3b）");
	assert_says("The rule's BYDAY=100% is none", "週期規則的 BYDAY=100% 不正確");
	assert_says("'' is no language, such as zh-Hant", "「」不是語言代碼（例如 zh-Hant）");
}

static void reason__unknown__as_it_is(void **state)
{
	(void)state;
	assert_says("", "");
	assert_says("The text is empty.", "The text is empty.");
	assert_says("There is no", "There is no");
	assert_says("Notice 12", "Notice 12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reason__known__in_chinese),
		cmocka_unit_test(reason__unknown__as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
