/*
 * With whom a server federates.
 */
#include "tests/unit/base/check.h"

#include "matrix/partner.h"

static bool allows(enum partner_policy policy, const char *name)
{
	static const struct partner_rule rules[] = {
		{STR_INIT("*.school.example"), true},
		{STR_INIT("bad.school.example"), false},
		{STR_INIT("partner.example"), true},
		{STR_INIT("127.0.0.1:8448"), true},
		{STR_INIT("spam.*"), false},
	};
	struct server_name server;
	assert_true(server_name_parse(str_of(name), &server));
	return partner_is_allowed(policy, rules, COUNT_OF(rules), server);
}

static void open__all_but_the_refused(void **state)
{
	(void)state;
	assert_true(allows(PARTNER_OPEN, "anybody.example"));
	assert_false(allows(PARTNER_OPEN, "spam.example"));
	assert_false(allows(PARTNER_OPEN, "SPAM.example:8448"));
	assert_false(allows(PARTNER_OPEN, "bad.school.example"));
}

static void partners__those_on_the_list_that_are_not_refused(void **state)
{
	(void)state;
	assert_true(allows(PARTNER_LISTED, "a.school.example"));
	assert_true(allows(PARTNER_LISTED, "A.School.Example:8448"));
	assert_false(allows(PARTNER_LISTED, "bad.school.example"));
	assert_false(allows(PARTNER_LISTED, "school.example"));
	assert_true(allows(PARTNER_LISTED, "partner.example:1"));
	assert_false(allows(PARTNER_LISTED, "partner.example.evil"));
	assert_true(allows(PARTNER_LISTED, "127.0.0.1:8448"));
	assert_false(allows(PARTNER_LISTED, "127.0.0.1:8449"));
	assert_false(allows(PARTNER_LISTED, "127.0.0.1"));
}

static void closed__nobody(void **state)
{
	(void)state;
	assert_false(allows(PARTNER_CLOSED, "partner.example"));
	struct server_name server;
	assert_true(server_name_parse(STR("a.example"), &server));
	assert_false(partner_is_allowed(PARTNER_CLOSED, NULL, 0, server));
	assert_false(partner_is_allowed(PARTNER_LISTED, NULL, 0, server));
	assert_true(partner_is_allowed(PARTNER_OPEN, NULL, 0, server));
}

static void texts__read_or_refused(void **state)
{
	(void)state;
	enum partner_policy policy;
	assert_true(partner_policy_parse(STR("partners"), &policy));
	assert_int_equal(policy, PARTNER_LISTED);
	assert_text(partner_policy_name(PARTNER_CLOSED), "closed");
	assert_false(partner_policy_parse(STR("Open"), &policy));
	assert_false(partner_policy_parse(STR(""), &policy));
	assert_true(partner_pattern_is_valid(STR("*.a-b.example:8448")));
	assert_true(partner_pattern_is_valid(STR("[2001:db8::?]")));
	assert_false(partner_pattern_is_valid(STR("")));
	assert_false(partner_pattern_is_valid(STR("a b")));
	assert_false(partner_pattern_is_valid(STR("https://a.example")));
	char text[ID_MAX_BYTES + 1];
	memset(text, 'a', sizeof(text));
	assert_false(partner_pattern_is_valid(str_from(text, sizeof(text))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__all_but_the_refused),
		cmocka_unit_test(partners__those_on_the_list_that_are_not_refused),
		cmocka_unit_test(closed__nobody),
		cmocka_unit_test(texts__read_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
