/*
 * Server ACLs: the steps in order, what counts as an IP literal, case, ports, and patterns made to be slow.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/server_acl.h"

static bool allows(const char *content, const char *name)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct server_name server;
	if (!server_name_parse(str_of(name), &server)) {
		fail_msg("the test's server name is wrong: %s", name);
	}
	return server_acl_allows(content != NULL ? sample_json(arena, content) : NULL, server);
}

static void acl__none__everybody(void **state)
{
	(void)state;
	assert_true(allows(NULL, "any.example"));
}

static void acl__without_allow__nobody(void **state)
{
	(void)state;
	assert_false(allows("{}", "any.example"));
	assert_false(allows("{'allow':'*'}", "any.example"));
	assert_false(allows("{'allow':[]}", "any.example"));
	assert_false(allows("{'allow':[1,null,{}]}", "any.example"));
	assert_true(allows("{'allow':[1,'*']}", "any.example"));
}

static void acl__deny__before_allow(void **state)
{
	(void)state;
	const char *content = "{'allow':['*'],'deny':['*.evil.example','evil.example']}";
	assert_false(allows(content, "evil.example"));
	assert_false(allows(content, "a.b.evil.example"));
	assert_true(allows(content, "notevil.example"));
	assert_true(allows("{'allow':['good.example'],'deny':'*'}", "good.example"));
	assert_false(allows("{'allow':['good.example']}", "other.example"));
	assert_true(allows("{'allow':['school?.example']}", "school1.example"));
	assert_false(allows("{'allow':['school?.example']}", "school12.example"));
}

static void sec_5_28__acl__case_does_not_count(void **state)
{
	(void)state;
	assert_false(allows("{'allow':['*'],'deny':['EVIL.example']}", "evil.example"));
	assert_false(allows("{'allow':['*'],'deny':['evil.example']}", "EVIL.Example"));
	assert_true(allows("{'allow':['GOOD.example']}", "good.EXAMPLE"));
}

static void acl__port__does_not_count(void **state)
{
	(void)state;
	assert_false(allows("{'allow':['*'],'deny':['evil.example']}", "evil.example:8448"));
	assert_true(allows("{'allow':['good.example']}", "good.example:1"));
	assert_true(allows("{'allow':['good.example:1']}", "other.example") == false);
	assert_false(allows("{'allow':['good.example:1']}", "good.example:1"));
}

static void acl__ip_literals__denied_only_by_false(void **state)
{
	(void)state;
	static const char *const literals[] = {"1.2.3.4", "1.2.3.4:8448", "[::1]", "[2001:db8::1]:1",
		"255.255.255.255"};
	static const char *const names[] = {"example", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.a",
		"a1.2.3.4", "1.2.3.4.example"};
	for (size_t i = 0; i < COUNT_OF(literals); i++) {
		assert_false(allows("{'allow':['*'],'allow_ip_literals':false}", literals[i]));
		assert_true(allows("{'allow':['*'],'allow_ip_literals':true}", literals[i]));
		assert_true(allows("{'allow':['*'],'allow_ip_literals':'false'}", literals[i]));
		assert_true(allows("{'allow':['*']}", literals[i]));
	}
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_true(allows("{'allow':['*'],'allow_ip_literals':false}", names[i]));
	}
	assert_false(allows("{'allow':['*'],'deny':['[::1]']}", "[::1]:8448"));
}

/* A matcher that backtracks would not be done with one of these. */
static void sec_5_27__acl__a_megabyte_of_wildcards__matched(void **state)
{
	(void)state;
	enum { PATTERNS = 15000, NAME_BYTES = 230 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, 4 << 20);
	buf_add(&text, STR("{'allow':['*'],'deny':["));
	for (int i = 0; i < PATTERNS; i++) {
		buf_add(&text, i == 0 ? STR("") : STR(","));
		buf_add(&text, STR("'*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b?'"));
	}
	buf_add(&text, STR("]}"));
	buf_add_byte(&text, '\0');
	char name[NAME_BYTES + 1];
	memset(name, 'a', NAME_BYTES);
	name[NAME_BYTES] = '\0';
	struct server_name server;
	assert_true(server_name_parse(str_of(name), &server));
	assert_true(server_acl_allows(sample_json(arena, buf_str(&text).p), server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acl__none__everybody),
		cmocka_unit_test(acl__without_allow__nobody),
		cmocka_unit_test(acl__deny__before_allow),
		cmocka_unit_test(sec_5_28__acl__case_does_not_count),
		cmocka_unit_test(acl__port__does_not_count),
		cmocka_unit_test(acl__ip_literals__denied_only_by_false),
		cmocka_unit_test(sec_5_27__acl__a_megabyte_of_wildcards__matched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
