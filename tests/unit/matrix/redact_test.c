/*
 * Redaction of events that are not as they should be; the rest is in tests/vectors/redaction_test.c.
 */
#include "tests/unit/base/check.h"

#include "matrix/canonical.h"
#include "matrix/redact.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* What stays, in canonical form; ' stands for ". */
static void assert_redacted(const char *version, const char *event, const char *expected)
{
	char *text = arena_printf(arena, "%s", event);
	char *rest = arena_printf(arena, "%s", expected);
	for (char *c = text; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	for (char *c = rest; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	struct json value;
	assert_int_equal(json_parse(arena, str_of(text), NULL, &value, NULL), JSON_OK);
	struct json redacted = redact_event(arena, room_version_find(str_of(version)), &value);
	struct str is = canonical_text(arena, &redacted);
	if (!str_equals(is, str_of(rest))) {
		fail_msg("%s\ngives    %.*s\nexpected %s", event, STR_ARG(is), rest);
	}
}

static void content__no_object__becomes_empty(void **state)
{
	(void)state;
	assert_redacted("10", "{'type':'m.room.member','content':[1]}",
		"{'content':{},'type':'m.room.member'}");
	assert_redacted("11", "{'type':'m.room.create','content':'x'}",
		"{'content':{},'type':'m.room.create'}");
	assert_redacted("11", "{'type':'m.room.create'}", "{'type':'m.room.create'}");
	assert_redacted("1", "[1,2]", "{}");
	assert_redacted("1", "'x'", "{}");
}

static void type__none_or_no_string__keeps_no_content(void **state)
{
	(void)state;
	assert_redacted("10", "{'content':{'membership':'join'}}", "{'content':{}}");
	assert_redacted("10", "{'type':1,'content':{'membership':'join'}}", "{'content':{},'type':1}");
	assert_redacted("10", "{'type':'m.room.member ','content':{'membership':'join'}}",
		"{'content':{},'type':'m.room.member '}");
}

static void third_party_invite__shapes__only_signed_stays(void **state)
{
	(void)state;
	assert_redacted("11",
		"{'type':'m.room.member','content':{'third_party_invite':{'a':1,'signed':{'x':[2]}}}}",
		"{'content':{'third_party_invite':{'signed':{'x':[2]}}},'type':'m.room.member'}");
	assert_redacted("11", "{'type':'m.room.member','content':{'third_party_invite':{'a':1}}}",
		"{'content':{'third_party_invite':{}},'type':'m.room.member'}");
	assert_redacted("11", "{'type':'m.room.member','content':{'third_party_invite':'x'}}",
		"{'content':{},'type':'m.room.member'}");
	assert_redacted("10", "{'type':'m.room.member','content':{'third_party_invite':{'signed':1}}}",
		"{'content':{},'type':'m.room.member'}");
}

static void values__kept_whole__not_looked_into(void **state)
{
	(void)state;
	assert_redacted("6", "{'type':'m.room.power_levels','content':{'users':[1.5],'invite':3}}",
		"{'content':{'users':[1.5]},'type':'m.room.power_levels'}");
	assert_redacted("8", "{'type':'m.room.join_rules','content':{'allow':null,'x':1}}",
		"{'content':{'allow':null},'type':'m.room.join_rules'}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content__no_object__becomes_empty),
		cmocka_unit_test(type__none_or_no_string__keeps_no_content),
		cmocka_unit_test(third_party_invite__shapes__only_signed_stays),
		cmocka_unit_test(values__kept_whole__not_looked_into),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
