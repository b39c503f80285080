/*
 * Types of account data and tags.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/account_data.h"
#include "matrix/errcode.h"

static void type__servers_own__refused(void **state)
{
	(void)state;
	struct field_error error;
	assert_true(account_data_is_servers(STR("m.fully_read")));
	assert_true(account_data_is_servers(STR("m.push_rules")));
	assert_false(account_data_is_servers(STR("m.direct")));
	assert_false(account_data_type_check(STR("m.fully_read"), &error));
	assert_string_equal(error.errcode, M_BAD_JSON);
	assert_false(account_data_type_check(STR("m.push_rules"), &error));
	assert_true(account_data_type_check(STR("m.direct"), &error));
	assert_true(account_data_type_check(STR("m.tag"), &error));
	assert_true(account_data_type_check(STR("org.example.\xc3\xa4"), &error));
}

static void type_and_tag__length__1_to_255_bytes(void **state)
{
	(void)state;
	char text[256];
	memset(text, 'a', sizeof(text));
	struct field_error error;
	assert_false(account_data_type_check(STR(""), &error));
	assert_true(account_data_type_check(str_from(text, 255), &error));
	assert_false(account_data_type_check(str_from(text, 256), &error));
	assert_string_equal(error.errcode, M_INVALID_PARAM);
	assert_false(account_data_type_check(STR("a\0b"), &error));
	assert_false(tag_name_check(STR(""), &error));
	assert_true(tag_name_check(str_from(text, 255), &error));
	assert_true(tag_name_check(STR("u.Arbeit \xf0\x9f\x92\xa9"), &error));
	assert_false(tag_name_check(str_from(text, 256), &error));
	assert_string_equal(error.errcode, M_INVALID_PARAM);
}

static void tag__order__number_from_0_to_1(void **state)
{
	(void)state;
	static const struct {
		const char *content;
		bool allowed;
	} rows[] = {{"{}", true}, {"{'order':0}", true}, {"{'order':1}", true},
		{"{'order':0.25}", true}, {"{'order':1.0}", true}, {"{'order':-0}", true},
		{"{'order':2.5e-1}", true}, {"{'order':0.1,'org.x':[]}", true}, {"{'order':1.01}", false},
		{"{'order':2}", false}, {"{'order':-0.5}", false}, {"{'order':1e9}", false},
		{"{'order':'0.5'}", false}, {"{'order':null}", false}, {"[]", false}, {"7", false},
		{"{'order':0.00000000000000000000000000000000000000000000000000000000000000000000001}",
			true}};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct field_error error;
		if (tag_content_check(sample_json(arena, rows[i].content), &error) != rows[i].allowed) {
			fail_msg("%s", rows[i].content);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(type__servers_own__refused),
		cmocka_unit_test(type_and_tag__length__1_to_255_bytes),
		cmocka_unit_test(tag__order__number_from_0_to_1),
	};
	return RUN_ALL(tests);
}
