/*
 * Push rules as clients make them: what is refused, order, limits.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/push_default.h"

static const struct str NONE = {NULL, 0};

struct refused {
	enum push_kind kind;
	const char *rule_id;
	const char *body;
	const char *field;
	const char *errcode;
};

static void make__malformed__refused_with_the_field(void **state)
{
	(void)state;
	static const struct refused rows[] = {
		{PUSH_ROOM, "", "{'actions':[]}", "ruleId", M_INVALID_PARAM},
		{PUSH_ROOM, ".m.rule.x", "{'actions':[]}", "ruleId", M_INVALID_PARAM},
		{PUSH_ROOM, "a/b", "{'actions':[]}", "ruleId", M_INVALID_PARAM},
		{PUSH_ROOM, "a\\b", "{'actions':[]}", "ruleId", M_INVALID_PARAM},
		{PUSH_ROOM, "x", "[]", "body", M_BAD_JSON},
		{PUSH_ROOM, "x", "{}", "actions", M_MISSING_PARAM},
		{PUSH_ROOM, "x", "{'actions':'notify'}", "actions", M_BAD_JSON},
		{PUSH_ROOM, "x", "{'actions':['shout']}", "actions", M_INVALID_PARAM},
		{PUSH_ROOM, "x", "{'actions':[1]}", "actions", M_INVALID_PARAM},
		{PUSH_ROOM, "x", "{'actions':[{}]}", "actions", M_INVALID_PARAM},
		{PUSH_ROOM, "x", "{'actions':[{'set_tweak':1}]}", "actions", M_INVALID_PARAM},
		{PUSH_CONTENT, "x", "{'actions':[]}", "pattern", M_MISSING_PARAM},
		{PUSH_CONTENT, "x", "{'actions':[],'pattern':1}", "pattern", M_BAD_JSON},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':{}}", "conditions", M_BAD_JSON},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':[1]}", "conditions[0]", M_BAD_JSON},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':[{'kind':'y'},{}]}", "conditions[1]",
			M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':[{'kind':'event_match','key':'type'}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'event_match','pattern':'type'}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_UNDERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'event_property_is','key':'a'}]}", "conditions[0]",
			M_INVALID_PARAM},
		{PUSH_UNDERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'event_property_is','key':'a','value':[]}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_UNDERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'event_property_contains','key':'a',"
			"'value':1.5}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_UNDERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'event_property_is','key':'a',"
			"'value':9007199254740992}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':[{'kind':'room_member_count'}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':[{'kind':'room_member_count','is':'=2'}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'room_member_count','is':'==<2'}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x", "{'actions':[],'conditions':[{'kind':'room_member_count','is':2}]}",
			"conditions[0]", M_INVALID_PARAM},
		{PUSH_OVERRIDE, "x",
			"{'actions':[],'conditions':[{'kind':'sender_notification_permission'}]}",
			"conditions[0]", M_INVALID_PARAM},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct push_rule *rule;
		struct field_error error;
		if (push_rule_make(arena, rows[i].kind, str_of(rows[i].rule_id),
				sample_json(arena, rows[i].body), &rule, &error)) {
			fail_msg("accepted: %s %s", rows[i].rule_id, rows[i].body);
		}
		assert_string_equal(str_cstr(arena, error.field), rows[i].field);
		assert_string_equal(error.errcode, rows[i].errcode);
	}
}

static void make__too_long__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char text[PUSH_MAX_RULE_BYTES + 1];
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct push_rule *rule;
	struct field_error error;
	const struct json *body = sample_json(arena, "{'actions':[]}");
	assert_false(push_rule_make(arena, PUSH_ROOM, str_of(text), body, &rule, &error));
	assert_string_equal(error.errcode, M_TOO_LARGE);
	assert_true(push_rule_make(arena, PUSH_ROOM, str_from(text, PUSH_MAX_RULE_BYTES - 2), body,
		&rule, &error));
	body = sample_json(arena, arena_printf(arena, "{'actions':[],'pattern':'%s'}", text));
	assert_false(push_rule_make(arena, PUSH_CONTENT, STR("x"), body, &rule, &error));
	assert_string_equal(error.errcode, M_TOO_LARGE);
	body = sample_json(arena,
		arena_printf(arena, "{'actions':[],'conditions':[{'kind':'%s'}]}", text));
	assert_false(push_rule_make(arena, PUSH_OVERRIDE, STR("x"), body, &rule, &error));
	assert_string_equal(error.errcode, M_TOO_LARGE);
	body = sample_json(arena, arena_printf(arena, "[{'set_tweak':'%s'}]", text));
	assert_false(push_actions_check(body, &error));
	assert_string_equal(error.errcode, M_TOO_LARGE);
	static const char frame[] = "[{'set_tweak':''}]";
	text[PUSH_MAX_RULE_BYTES - (sizeof(frame) - 1)] = '\0';
	body = sample_json(arena, arena_printf(arena, "[{'set_tweak':'%s'}]", text));
	assert_true(push_actions_check(body, &error));
}

static void make__well_formed__read_and_enabled(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_rule *rule;
	struct field_error error;
	assert_true(push_rule_make(arena, PUSH_OVERRIDE, STR("beer"),
		sample_json(arena,
			"{'enabled':false,'conditions':[{'kind':'event_match','key':'content.body',"
			"'pattern':'beer'},{'kind':'room_member_count','is':'<=10'},{'kind':'new'}],"
			"'actions':['notify','coalesce',{'set_tweak':'sound','value':'beer.wav'},"
			"{'set_tweak':'highlight','value':false},{'set_tweak':'org.x'}]}"),
		&rule, &error));
	assert_true(rule->is_enabled);
	assert_false(rule->is_default);
	assert_int_equal(rule->condition_count, 3);
	assert_int_equal(rule->conditions[0].kind, PUSH_EVENT_MATCH);
	assert_true(rule->conditions[0].is_body);
	assert_int_equal(rule->conditions[1].compare, PUSH_LE);
	assert_int_equal(rule->conditions[1].count, 10);
	assert_int_equal(rule->conditions[2].kind, PUSH_NEVER);
	assert_true(rule->actions.notify);
	assert_false(rule->actions.highlight);
	assert_text(rule->actions.sound, "beer.wav");
	assert_int_equal(rule->actions.tweak_count, 3);
	assert_text(rule->actions.tweaks[2].name, "org.x");
	assert_null(rule->actions.tweaks[2].value);
	assert_true(push_rule_make(arena, PUSH_SENDER, STR("@a:b"),
		sample_json(arena, "{'actions':[{'set_tweak':'highlight'}],'conditions':7}"), &rule,
		&error));
	assert_true(rule->actions.highlight);
	assert_int_equal(rule->condition_count, 0);
}

/* "conditions: Only applicable to underride and override rules." */
static void make__conditions_of_other_kinds__not_read(void **state)
{
	(void)state;
	static const enum push_kind kinds[] = {PUSH_CONTENT, PUSH_ROOM, PUSH_SENDER};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct push_rule *rule;
		struct field_error error;
		assert_true(push_rule_make(arena, kinds[i], STR("x"),
			sample_json(arena,
				"{'actions':[],'pattern':'x','conditions':[{'kind':'contains_display_name'}]}"),
			&rule, &error));
		assert_int_equal(rule->condition_count, 0);
	}
}

/* "If a highlight tweak is given with no value, its value is defined to be true." */
static void make__tweaks_with_and_without_value__as_defined(void **state)
{
	(void)state;
	static const struct {
		const char *tweak;
		bool highlight;
		const char *sound;
	} rows[] = {
		{"'highlight'", true, NULL},
		{"'highlight','value':true", true, NULL},
		{"'highlight','value':false", false, NULL},
		{"'highlight','value':1", false, NULL},
		{"'highlight','value':'true'", false, NULL},
		{"'sound'", false, NULL},
		{"'sound','value':7", false, NULL},
		{"'sound','value':'bell'", false, "bell"},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct push_rule *rule;
		struct field_error error;
		assert_true(push_rule_make(arena, PUSH_ROOM, STR("x"),
			sample_json(arena,
				arena_printf(arena, "{'actions':[{'set_tweak':%s}]}", rows[i].tweak)),
			&rule, &error));
		assert_int_equal(rule->actions.highlight, rows[i].highlight);
		assert_true(
			str_equals(rule->actions.sound, rows[i].sound != NULL ? str_of(rows[i].sound) : NONE));
		assert_int_equal(rule->actions.tweak_count, 1);
	}
}

/* content.body alone is compared word by word. */
static void make__keys_like_the_body__only_the_body_itself_counts(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		bool is_body;
	} rows[] = {{"content.body", true}, {"content", false}, {"body", false},
		{"content.body.x", false}, {"content\\\\.body", false}, {"contents.body", false}};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct push_rule *rule;
		struct field_error error;
		assert_true(push_rule_make(arena, PUSH_OVERRIDE, STR("x"),
			sample_json(arena,
				arena_printf(arena,
					"{'actions':[],'conditions':"
					"[{'kind':'event_match','key':'%s','pattern':'x'}]}",
					rows[i].key)),
			&rule, &error));
		assert_int_equal(rule->conditions[0].is_body, rows[i].is_body);
	}
}

static void make__override_without_conditions__written_with_none(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_rule *rule;
	struct field_error error;
	const struct json *body = sample_json(arena, "{'actions':['notify']}");
	assert_false(push_rule_make(arena, PUSH_OVERRIDE, STR("a\0b"), body, &rule, &error));
	assert_true(push_rule_make(arena, PUSH_OVERRIDE, STR("a"), body, &rule, &error));
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 4096);
	struct json_out out;
	json_out_init(&out, &buf);
	push_rule_write(&out, rule);
	sample_assert_text(arena, buf_str(&buf),
		"{'actions':['notify'],'conditions':[],'default':false,'enabled':true,'rule_id':'a'}");
}

static void kinds__names__both_ways(void **state)
{
	(void)state;
	static const char *const names[] = {"override", "content", "room", "sender", "underride"};
	for (size_t i = 0; i < PUSH_KINDS; i++) {
		enum push_kind kind;
		assert_true(push_kind_parse(str_of(names[i]), &kind));
		assert_int_equal(kind, i);
		assert_true(str_equals(push_kind_name(kind), str_of(names[i])));
	}
	enum push_kind kind;
	assert_false(push_kind_parse(STR("global"), &kind));
}

static struct push_rule *simple(struct arena *arena, enum push_kind kind, const char *rule_id)
{
	struct push_rule *rule;
	struct field_error error;
	assert_true(push_rule_make(arena, kind, str_dup(arena, str_of(rule_id)),
		sample_json(arena, "{'actions':['notify'],'pattern':'x'}"), &rule, &error));
	return rule;
}

static enum push_put put(struct arena *arena, struct push_ruleset *set, const char *rule_id,
	const char *before, const char *after)
{
	return push_ruleset_put(arena, set, simple(arena, PUSH_OVERRIDE, rule_id), str_of(before),
		str_of(after));
}

/* The ids of the override rules up to the first predefined one behind the user's, joined. */
static const char *order(struct arena *arena, const struct push_ruleset *set)
{
	const char *text = "";
	for (size_t i = 0; i < set->count[PUSH_OVERRIDE]; i++) {
		struct str id = set->rules[PUSH_OVERRIDE][i]->rule_id;
		bool is_master = str_equals(id, STR(".m.rule.master"));
		if (id.p[0] == '.' && !is_master) {
			break;
		}
		text = arena_printf(arena, "%s%s", text, is_master ? "*" : str_cstr(arena, id));
	}
	return text;
}

static void put__before_and_after__order_of_the_specification(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs1"), false);
	assert_int_equal(put(arena, &set, "a", NULL, NULL), PUSH_PUT_DONE);
	assert_int_equal(put(arena, &set, "b", NULL, NULL), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*ba");
	assert_int_equal(put(arena, &set, "c", "a", NULL), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*bca");
	assert_int_equal(put(arena, &set, "d", NULL, "b"), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*bdca");
	assert_int_equal(put(arena, &set, "e", "a", "b"), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*bdcea");
	/* A known rule is moved only when asked to. */
	assert_int_equal(put(arena, &set, "c", NULL, NULL), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*bdcea");
	assert_int_equal(put(arena, &set, "c", NULL, "a"), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*bdeac");
	assert_int_equal(put(arena, &set, "c", "b", NULL), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*cbdea");
	assert_int_equal(put(arena, &set, "c", "c", NULL), PUSH_PUT_DONE);
	assert_string_equal(order(arena, &set), "*cbdea");
	assert_int_equal(put(arena, &set, "x", "nobody", NULL), PUSH_PUT_NO_NEIGHBOUR);
	assert_int_equal(put(arena, &set, "x", NULL, "nobody"), PUSH_PUT_NO_NEIGHBOUR);
	assert_int_equal(put(arena, &set, "x", ".m.rule.master", NULL), PUSH_PUT_NO_NEIGHBOUR);
	assert_int_equal(put(arena, &set, "x", NULL, ".m.rule.reaction"), PUSH_PUT_NO_NEIGHBOUR);
	assert_int_equal(put(arena, &set, "c", "nobody", NULL), PUSH_PUT_NO_NEIGHBOUR);
	assert_string_equal(order(arena, &set), "*cbdea");
	/* Predefined rules stand behind as they stood. */
	assert_text(set.rules[PUSH_OVERRIDE][6]->rule_id, ".m.rule.suppress_notices");
}

static void put__disabled_rule__stays_disabled(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs1"), false);
	assert_int_equal(put(arena, &set, "a", NULL, NULL), PUSH_PUT_DONE);
	push_rule_set_enabled(push_ruleset_find(&set, PUSH_OVERRIDE, STR("a")), false);
	assert_int_equal(put(arena, &set, "a", NULL, NULL), PUSH_PUT_DONE);
	assert_false(push_ruleset_find(&set, PUSH_OVERRIDE, STR("a"))->is_enabled);
}

static void remove__own_rules_only(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs1"), false);
	assert_int_equal(put(arena, &set, "a", NULL, NULL), PUSH_PUT_DONE);
	assert_int_equal(put(arena, &set, "b", NULL, NULL), PUSH_PUT_DONE);
	assert_false(push_ruleset_remove(&set, PUSH_OVERRIDE, STR(".m.rule.master")));
	assert_false(push_ruleset_remove(&set, PUSH_ROOM, STR("a")));
	assert_true(push_ruleset_remove(&set, PUSH_OVERRIDE, STR("b")));
	assert_false(push_ruleset_remove(&set, PUSH_OVERRIDE, STR("b")));
	assert_string_equal(order(arena, &set), "*a");
}

static void put__flood__stops_at_the_limit(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs1"), false);
	const struct json *body = sample_json(arena, "{'actions':[]}");
	for (int i = 0; i < PUSH_MAX_RULES; i++) {
		struct str id = str_printf(arena, "!%d:hs1", i);
		push_ruleset_append(arena, &set, push_rule_read(arena, PUSH_ROOM, id, body));
	}
	struct push_rule *more = push_rule_read(arena, PUSH_SENDER, STR("@a:b"), body);
	assert_int_equal(push_ruleset_put(arena, &set, more, NONE, NONE), PUSH_PUT_FULL);
	struct push_rule *known = push_rule_read(arena, PUSH_ROOM, STR("!7:hs1"), body);
	assert_int_equal(push_ruleset_put(arena, &set, known, NONE, NONE), PUSH_PUT_DONE);
	assert_true(push_ruleset_remove(&set, PUSH_ROOM, STR("!9:hs1")));
	assert_int_equal(push_ruleset_put(arena, &set, more, NONE, NONE), PUSH_PUT_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make__malformed__refused_with_the_field),
		cmocka_unit_test(make__too_long__refused),
		cmocka_unit_test(make__well_formed__read_and_enabled),
		cmocka_unit_test(make__conditions_of_other_kinds__not_read),
		cmocka_unit_test(make__tweaks_with_and_without_value__as_defined),
		cmocka_unit_test(make__keys_like_the_body__only_the_body_itself_counts),
		cmocka_unit_test(make__override_without_conditions__written_with_none),
		cmocka_unit_test(kinds__names__both_ways),
		cmocka_unit_test(put__before_and_after__order_of_the_specification),
		cmocka_unit_test(put__disabled_rule__stays_disabled),
		cmocka_unit_test(remove__own_rules_only),
		cmocka_unit_test(put__flood__stops_at_the_limit),
	};
	return RUN_ALL(tests);
}
