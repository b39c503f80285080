/*
 * The predefined rules against the specification's text, and a user's own rules beside them.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/push_default.h"

/* Taken from the specification v1.19 by a program: "Predefined Rules", for the user @me:hs1. */
static const char *const expected_rules =
	"{'content':[],'room':[],'sender':[],"
	"'override':["
	"{'rule_id':'.m.rule.master','default':true,'enabled':false,'conditions':[],"
	"'actions':[]},"
	"{'rule_id':'.m.rule.suppress_notices','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_match','key':'content.msgtype','pattern':'m.notice'}],"
	"'actions':[]},"
	"{'rule_id':'.m.rule.invite_for_me','default':true,'enabled':true,"
	"'conditions':[{'key':'type','kind':'event_match','pattern':'m.room.member'},"
	"{'key':'content.membership','kind':'event_match','pattern':'invite'},"
	"{'key':'state_key','kind':'event_match','pattern':'@me:hs1'}],'actions':['notify',"
	"{'set_tweak':'sound','value':'default'}]},"
	"{'rule_id':'.m.rule.member_event','default':true,'enabled':true,"
	"'conditions':[{'key':'type','kind':'event_match','pattern':'m.room.member'}],"
	"'actions':[]},"
	"{'rule_id':'.m.rule.is_user_mention','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_property_contains',"
	"'key':'content.m\\\\.mentions.user_ids','value':'@me:hs1'}],'actions':['notify',"
	"{'set_tweak':'sound','value':'default'},{'set_tweak':'highlight'}]},"
	"{'rule_id':'.m.rule.is_room_mention','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_property_is','key':'content.m\\\\.mentions.room',"
	"'value':true},{'kind':'sender_notification_permission','key':'room'}],"
	"'actions':['notify',{'set_tweak':'highlight'}]},"
	"{'rule_id':'.m.rule.tombstone','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_match','key':'type','pattern':'m.room.tombstone'},"
	"{'kind':'event_match','key':'state_key','pattern':''}],'actions':['notify',"
	"{'set_tweak':'highlight'}]},"
	"{'rule_id':'.m.rule.reaction','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_match','key':'type','pattern':'m.reaction'}],"
	"'actions':[]},"
	"{'rule_id':'.m.rule.room.server_acl','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_match','key':'type','pattern':'m.room.server_acl'},"
	"{'kind':'event_match','key':'state_key','pattern':''}],'actions':[]},"
	"{'rule_id':'.m.rule.suppress_edits','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_property_is','key':'content.m\\\\.relates_to.rel_type',"
	"'value':'m.replace'}],'actions':[]}"
	"],"
	"'underride':["
	"{'rule_id':'.m.rule.call','default':true,'enabled':true,'conditions':[{'key':'type',"
	"'kind':'event_match','pattern':'m.call.invite'}],'actions':['notify',"
	"{'set_tweak':'sound','value':'ring'}]},"
	"{'rule_id':'.m.rule.encrypted_room_one_to_one','default':true,'enabled':true,"
	"'conditions':[{'kind':'room_member_count','is':'2'},{'kind':'event_match',"
	"'key':'type','pattern':'m.room.encrypted'}],'actions':['notify',{'set_tweak':'sound',"
	"'value':'default'}]},"
	"{'rule_id':'.m.rule.room_one_to_one','default':true,'enabled':true,"
	"'conditions':[{'kind':'room_member_count','is':'2'},{'kind':'event_match',"
	"'key':'type','pattern':'m.room.message'}],'actions':['notify',{'set_tweak':'sound',"
	"'value':'default'}]},"
	"{'rule_id':'.m.rule.message','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_match','key':'type','pattern':'m.room.message'}],"
	"'actions':['notify']},"
	"{'rule_id':'.m.rule.encrypted','default':true,'enabled':true,"
	"'conditions':[{'kind':'event_match','key':'type','pattern':'m.room.encrypted'}],"
	"'actions':['notify']}"
	"]"
	"}";

static struct str write_set(struct arena *arena, const struct push_ruleset *set,
	void (*write)(struct json_out *out, const struct push_ruleset *set))
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 24);
	struct json_out out;
	json_out_init(&out, &buf);
	write(&out, set);
	assert_true(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

static struct push_rule *make_rule(struct arena *arena, enum push_kind kind, const char *rule_id,
	const char *body)
{
	struct push_rule *rule;
	struct field_error error;
	if (!push_rule_make(arena, kind, str_of(rule_id), sample_json(arena, body), &rule, &error)) {
		fail_msg("%.*s %s", STR_ARG(error.field), error.text);
	}
	return rule;
}

static void put(struct arena *arena, struct push_ruleset *set, struct push_rule *rule)
{
	assert_int_equal(push_ruleset_put(arena, set, rule, str_from(NULL, 0), str_from(NULL, 0)),
		PUSH_PUT_DONE);
}

static void rules__of_a_new_user__those_of_the_specification(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs1"), false);
	sample_assert_text(arena, write_set(arena, &set, push_ruleset_write), expected_rules);
	assert_true(push_default_is_unchanged(&set));
	struct str account_data = write_set(arena, &set, push_default_write_account_data);
	sample_assert_text(arena, account_data, arena_printf(arena, "{'global':%s}", expected_rules));
	sample_assert_text(arena, write_set(arena, &set, push_default_store),
		"{'override':[],'content':[],'room':[],'sender':[],'underride':[],'defaults':[]}");
}

/* The specification v1.16 has them there. */
static void rules__for_text__at_their_old_places(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs1"), true);
	assert_true(push_default_is_unchanged(&set));
	assert_int_equal(set.count[PUSH_OVERRIDE], 12);
	assert_int_equal(set.count[PUSH_CONTENT], 1);
	static const char *const names[] = {".m.rule.is_user_mention", ".m.rule.contains_display_name",
		".m.rule.is_room_mention", ".m.rule.roomnotif", ".m.rule.tombstone"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_true(str_equals(set.rules[PUSH_OVERRIDE][4 + i]->rule_id, str_of(names[i])));
	}
	static const struct {
		enum push_kind kind;
		size_t place;
		const char *text;
	} rows[] = {
		{PUSH_OVERRIDE, 5,
			"{'rule_id':'.m.rule.contains_display_name','default':true,'enabled':true,"
			"'conditions':[{'kind':'contains_display_name'}],'actions':['notify',"
			"{'set_tweak':'sound','value':'default'},{'set_tweak':'highlight'}]}"},
		{PUSH_OVERRIDE, 7,
			"{'rule_id':'.m.rule.roomnotif','default':true,'enabled':true,'conditions':["
			"{'kind':'event_match','key':'content.body','pattern':'@room'},"
			"{'kind':'sender_notification_permission','key':'room'}],'actions':['notify',"
			"{'set_tweak':'highlight'}]}"},
		{PUSH_CONTENT, 0,
			"{'rule_id':'.m.rule.contains_user_name','default':true,'enabled':true,"
			"'pattern':'me','actions':['notify',{'set_tweak':'sound','value':'default'},"
			"{'set_tweak':'highlight'}]}"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf buf CLEANUP(buf_fini);
		buf_init(&buf, 4096);
		struct json_out out;
		json_out_init(&out, &buf);
		push_rule_write(&out, set.rules[rows[i].kind][rows[i].place]);
		sample_assert_text(arena, buf_str(&buf), rows[i].text);
	}
}

static void rules__user_id_with_quotes__stays_inside_its_string(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@a\"<\\:hs1"), false);
	const struct push_rule *rule =
		push_ruleset_find(&set, PUSH_OVERRIDE, STR(".m.rule.is_user_mention"));
	assert_text(json_text(rule->conditions[0].value), "@a\"<\\:hs1");
}

static void own__stored_and_loaded__the_same(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct user_id user = sample_user("@me:hs1");
	struct push_ruleset set = push_default_ruleset(arena, user, false);
	put(arena, &set,
		make_rule(arena, PUSH_CONTENT, "cake",
			"{'pattern':'cake*lie','actions':['notify',{'set_tweak':'org.x','value':[1.0]}]}"));
	put(arena, &set, make_rule(arena, PUSH_ROOM, "!r:hs1", "{'actions':['dont_notify']}"));
	put(arena, &set,
		make_rule(arena, PUSH_OVERRIDE, "quiet",
			"{'conditions':[{'kind':'org.unknown','x':1e3}],'actions':[]}"));
	push_rule_set_enabled(push_ruleset_find(&set, PUSH_ROOM, STR("!r:hs1")), false);
	push_rule_set_enabled(push_ruleset_find(&set, PUSH_OVERRIDE, STR(".m.rule.master")), true);
	push_rule_set_actions(arena, push_ruleset_find(&set, PUSH_UNDERRIDE, STR(".m.rule.message")),
		sample_json(arena, "['notify',{'set_tweak':'sound','value':'x'}]"));
	assert_false(push_default_is_unchanged(&set));
	struct str stored = write_set(arena, &set, push_default_store);
	sample_assert_text(arena, stored,
		"{'override':[{'actions':[],'conditions':[{'kind':'org.unknown','x':1e3}],"
		"'default':false,'enabled':true,'rule_id':'quiet'}],"
		"'content':[{'actions':['notify',{'set_tweak':'org.x','value':[1.0]}],"
		"'default':false,'enabled':true,'pattern':'cake*lie','rule_id':'cake'}],"
		"'room':[{'actions':['dont_notify'],'default':false,'enabled':false,"
		"'rule_id':'!r:hs1'}],'sender':[],'underride':[],"
		"'defaults':[{'rule_id':'.m.rule.master','enabled':true},"
		"{'rule_id':'.m.rule.message','actions':['notify',"
		"{'set_tweak':'sound','value':'x'}]}]}");
	struct json json;
	assert_int_equal(json_parse(arena, stored, NULL, &json, NULL), JSON_OK);
	struct push_ruleset loaded = push_default_load(arena, user, false, &json);
	struct str before = write_set(arena, &set, push_ruleset_write);
	struct str after = write_set(arena, &loaded, push_ruleset_write);
	assert_true(str_equals(before, after));
	assert_text(loaded.rules[PUSH_OVERRIDE][0]->rule_id, ".m.rule.master");
	assert_true(loaded.rules[PUSH_OVERRIDE][0]->is_enabled);
	assert_text(loaded.rules[PUSH_OVERRIDE][1]->rule_id, "quiet");
}

static void load__malformed_parts__left_out(void **state)
{
	(void)state;
	static const char *const rows[] = {"[]", "null", "{'override':{},'defaults':7}",
		"{'room':[1,{},{'rule_id':3},{'rule_id':''},{'rule_id':'.m.rule.master'}]}",
		"{'defaults':[1,{},{'rule_id':'.m.rule.none','enabled':true}]}",
		"{'defaults':[{'rule_id':'.m.rule.call','enabled':'x','actions':{}}]}"};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct push_ruleset set =
			push_default_load(arena, sample_user("@me:hs1"), false, sample_json(arena, rows[i]));
		sample_assert_text(arena, write_set(arena, &set, push_ruleset_write), expected_rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules__of_a_new_user__those_of_the_specification),
		cmocka_unit_test(rules__for_text__at_their_old_places),
		cmocka_unit_test(rules__user_id_with_quotes__stays_inside_its_string),
		cmocka_unit_test(own__stored_and_loaded__the_same),
		cmocka_unit_test(load__malformed_parts__left_out),
	};
	return RUN_ALL(tests);
}
