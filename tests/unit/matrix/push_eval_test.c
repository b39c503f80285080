/*
 * Evaluation: every kind of condition alone, order and priorities, and that push_eval_generic()
 * says of each member what the predefined rules say.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/push_default.h"
#include "matrix/push_eval.h"
#include "tests/support/cpu_time.h"

static const struct str NONE = {NULL, 0};

/* Two state events behind a view. */
struct room {
	const struct event *create;
	const struct event *levels;
};

static const struct event *room_get(void *self, struct str type, struct str state_key)
{
	const struct room *room = self;
	if (state_key.n > 0) {
		return NULL;
	}
	if (str_equals(type, STR("m.room.create"))) {
		return room->create;
	}
	return str_equals(type, STR("m.room.power_levels")) ? room->levels : NULL;
}

static struct room make_room(struct arena *arena, const char *levels)
{
	struct room room = {0};
	room.create = sample_event(arena, "11",
		sample_json(arena,
			"{'type':'m.room.create','sender':'@boss:hs','state_key':'','room_id':'!r:hs',"
			"'event_id':'$c','content':{'room_version':'11'}}"));
	if (levels != NULL) {
		room.levels = sample_event(arena, "11",
			sample_json(arena,
				arena_printf(arena,
					"{'type':'m.room.power_levels','sender':'@boss:hs','state_key':'',"
					"'room_id':'!r:hs','event_id':'$p','content':%s}",
					levels)));
	}
	return room;
}

static const char message[] =
	"{'type':'m.room.message','sender':'@alice:hs','room_id':'!r:hs','event_id':'$e',"
	"'origin_server_ts':1432735824653,'content':{'msgtype':'m.text',"
	"'body':'An example event for Bob Smith','m.federate':true,'n':7,'big':9007199254740993,"
	"'f':1.0,'nothing':null,'list':['a',1,true,null,{'x':1},[2]],"
	"'m.relates_to':{'rel_type':'m.x'},'a\\\\b':'back','o':{'s':'deep'},'empty':''}}";

struct condition_row {
	const char *condition;
	bool holds;
};

static void condition__each_kind__as_listed(void **state)
{
	(void)state;
	static const struct condition_row rows[] = {
		{"{'kind':'event_match','key':'type','pattern':'m.room.message'}", true},
		{"{'kind':'event_match','key':'type','pattern':'M.ROOM.*'}", true},
		{"{'kind':'event_match','key':'type','pattern':'room'}", false},
		{"{'kind':'event_match','key':'sender','pattern':'@alice:*'}", true},
		{"{'kind':'event_match','key':'room_id','pattern':'!r:hs'}", true},
		{"{'kind':'event_match','key':'event_id','pattern':'$e'}", true},
		{"{'kind':'event_match','key':'state_key','pattern':'*'}", false},
		{"{'kind':'event_match','key':'redacts','pattern':'*'}", false},
		{"{'kind':'event_match','key':'content','pattern':'*'}", false},
		{"{'kind':'event_match','key':'unsigned','pattern':'*'}", false},
		{"{'kind':'event_match','key':'','pattern':'*'}", false},
		{"{'kind':'event_match','key':'type.x','pattern':'*'}", false},
		{"{'kind':'event_match','key':'content.body','pattern':'ex*ple'}", true},
		{"{'kind':'event_match','key':'content.body','pattern':'EXAMPLE'}", true},
		{"{'kind':'event_match','key':'content.body','pattern':'exam'}", false},
		{"{'kind':'event_match','key':'content.body','pattern':'ev?nt'}", true},
		{"{'kind':'event_match','key':'content.msgtype','pattern':'m.t?xt'}", true},
		{"{'kind':'event_match','key':'content.msgtype','pattern':'text'}", false},
		{"{'kind':'event_match','key':'content.n','pattern':'*'}", false},
		{"{'kind':'event_match','key':'content.nothing','pattern':'*'}", false},
		{"{'kind':'event_match','key':'content.absent','pattern':'*'}", false},
		{"{'kind':'event_match','key':'content.empty','pattern':'*'}", true},
		{"{'kind':'event_match','key':'content.empty','pattern':''}", true},
		{"{'kind':'event_match','key':'content.o.s','pattern':'DEEP'}", true},
		{"{'kind':'event_match','key':'content.a\\\\\\\\b','pattern':'back'}", true},
		{"{'kind':'event_match','key':'content.m\\\\.relates_to.rel_type','pattern':'m.x'}", true},
		{"{'kind':'event_match','key':'content.m.relates_to.rel_type','pattern':'*'}", false},
		{"{'kind':'event_property_is','key':'content.m\\\\.federate','value':true}", true},
		{"{'kind':'event_property_is','key':'content.m\\\\.federate','value':'true'}", false},
		{"{'kind':'event_property_is','key':'content.m\\\\.federate','value':1}", false},
		{"{'kind':'event_property_is','key':'content.m\\\\.federate','value':false}", false},
		{"{'kind':'event_property_is','key':'content.n','value':7}", true},
		{"{'kind':'event_property_is','key':'content.n','value':8}", false},
		{"{'kind':'event_property_is','key':'content.f','value':1}", false},
		{"{'kind':'event_property_is','key':'content.nothing','value':null}", true},
		{"{'kind':'event_property_is','key':'content.absent','value':null}", false},
		{"{'kind':'event_property_is','key':'content.list','value':null}", false},
		{"{'kind':'event_property_is','key':'content.msgtype','value':'m.text'}", true},
		{"{'kind':'event_property_is','key':'content.msgtype','value':'M.text'}", false},
		{"{'kind':'event_property_is','key':'origin_server_ts','value':1432735824653}", true},
		{"{'kind':'event_property_contains','key':'content.list','value':'a'}", true},
		{"{'kind':'event_property_contains','key':'content.list','value':1}", true},
		{"{'kind':'event_property_contains','key':'content.list','value':true}", true},
		{"{'kind':'event_property_contains','key':'content.list','value':null}", true},
		{"{'kind':'event_property_contains','key':'content.list','value':false}", false},
		{"{'kind':'event_property_contains','key':'content.list','value':2}", false},
		{"{'kind':'event_property_contains','key':'content.body','value':'a'}", false},
		{"{'kind':'contains_display_name'}", true},
		{"{'kind':'room_member_count','is':'3'}", true},
		{"{'kind':'room_member_count','is':'==3'}", true},
		{"{'kind':'room_member_count','is':'2'}", false},
		{"{'kind':'room_member_count','is':'<4'}", true},
		{"{'kind':'room_member_count','is':'<3'}", false},
		{"{'kind':'room_member_count','is':'>2'}", true},
		{"{'kind':'room_member_count','is':'>3'}", false},
		{"{'kind':'room_member_count','is':'>=3'}", true},
		{"{'kind':'room_member_count','is':'>=4'}", false},
		{"{'kind':'room_member_count','is':'<=3'}", true},
		{"{'kind':'room_member_count','is':'<=2'}", false},
		{"{'kind':'room_member_count','is':' 3'}", false},
		{"{'kind':'room_member_count','is':'3x'}", false},
		{"{'kind':'room_member_count','is':''}", false},
		{"{'kind':'room_member_count'}", false},
		{"{'kind':'sender_notification_permission','key':'room'}", false},
		{"{'kind':'sender_notification_permission','key':'low'}", true},
		{"{'kind':'sender_notification_permission','key':'other'}", false},
		{"{'kind':'sender_notification_permission'}", false},
		{"{'kind':'org.example.unknown'}", false},
		{"{'key':'type','pattern':'*'}", false},
		{"{}", false},
		{"7", false},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room room =
		make_room(arena, "{'users':{'@alice:hs':20},'notifications':{'room':21,'low':20}}");
	const struct state_view view = {.get = room_get, .self = &room};
	const struct push_facts facts = {.event =
										 sample_event(arena, "11", sample_json(arena, message)),
		.state = &view,
		.member_count = 3};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct push_ruleset set = {0};
		push_ruleset_append(arena, &set,
			push_rule_read(arena, PUSH_OVERRIDE, STR("x"),
				sample_json(arena,
					arena_printf(arena, "{'conditions':[%s],'actions':['notify']}",
						rows[i].condition))));
		struct push_result result =
			push_eval(arena, &set, &facts, sample_user("@me:hs"), STR("bob SMITH"));
		if (result.notify != rows[i].holds) {
			fail_msg("%s", rows[i].condition);
		}
	}
}

static void condition__out_of_range_integer__never_equal(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct push_facts facts = {.event = sample_event(arena, "1", sample_json(arena, message)),
		.member_count = 3};
	struct push_ruleset set = {0};
	push_ruleset_append(arena, &set,
		push_rule_read(arena, PUSH_OVERRIDE, STR("x"),
			sample_json(arena,
				"{'conditions':[{'kind':'event_property_is','key':'content.big',"
				"'value':9007199254740993}],'actions':['notify']}")));
	assert_false(push_eval(arena, &set, &facts, sample_user("@me:hs"), NONE).notify);
}

struct name_row {
	const char *name;
	const char *body;
	bool found;
};

static void display_name__words__found_in_any_case(void **state)
{
	(void)state;
	static const struct name_row rows[] = {
		{"Bob", "hi bob!", true},
		{"Bob", "hi bobby", false},
		{"Bob", "kebob", false},
		{"Bob", "bob_", false},
		{"Bob", "bobob bob", true},
		{"*", "anything", false},
		{"*", "a * b", true},
		{"b?b", "bob", false},
		{"", "bob", false},
		{"aab", "aaab aab", true},
		{"\xc3\x84nne", "hallo \xc3\xa4nne", true},
		{"(bot)", "ask (BOT) now", true},
		{"Bob Smith", "bob  smith", false},
		{"Bob", "", false},
		{"abababac", "ababababac abababac", true},
		{"a a b", "a a a b", true},
		{"a a b", "a a x b", false},
		{"Bob", "boba Zbob bobz Abob bob0 9bob bob9 0bob", false},
		{"Bob", "bob", true},
		{"Bob", "bob: hi", true},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = {0};
	push_ruleset_append(arena, &set,
		push_rule_read(arena, PUSH_OVERRIDE, STR("x"),
			sample_json(arena,
				"{'conditions':[{'kind':'contains_display_name'}],'actions':['notify']}")));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct json *event = sample_json(arena,
			arena_printf(arena,
				"{'type':'t','sender':'@a:b','room_id':'!r:b','content':"
				"{'body':'%s'}}",
				rows[i].body));
		const struct push_facts facts = {.event = sample_event(arena, "11", event)};
		struct push_result result =
			push_eval(arena, &set, &facts, sample_user("@me:hs"), str_of(rows[i].name));
		if (result.notify != rows[i].found) {
			fail_msg("%s in %s", rows[i].name, rows[i].body);
		}
	}
	const struct push_facts no_body = {
		.event = sample_event(arena, "11",
			sample_json(arena, "{'type':'t','sender':'@a:b','content':{'body':1}}"))};
	assert_false(push_eval(arena, &set, &no_body, sample_user("@me:hs"), STR("x")).notify);
	assert_false(push_eval(arena, &set, &no_body, sample_user("@me:hs"), NONE).notify);
}

static bool is_word_at(const char *text, size_t n, const char *name, size_t length, size_t at)
{
	bool begins = at == 0 || text[at - 1] == ' ' || text[at] == ' ';
	size_t end = at + length;
	bool ends = end == n || text[end - 1] == ' ' || text[end] == ' ';
	return begins && ends && memcmp(text + at, name, length) == 0;
}

/* The number's lowest bits as letters and spaces. */
static void write_bits(char *out, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = (bits >> i & 1) != 0 ? 'a' : ' ';
	}
	out[n] = '\0';
}

static void display_name__all_short_names_and_texts__as_by_looking_at_each_place(void **state)
{
	(void)state;
	enum { NAME = 4, TEXT = 7 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset set = {0};
	push_ruleset_append(arena, &set,
		push_rule_read(arena, PUSH_OVERRIDE, STR("x"),
			sample_json(arena,
				"{'conditions':[{'kind':'contains_display_name'}],'actions':['notify']}")));
	for (unsigned bits = 0; bits < 1U << TEXT; bits++) {
		char text[TEXT + 1];
		write_bits(text, TEXT, bits);
		const struct push_facts facts = {
			.event = sample_event(arena, "1",
				sample_json(arena,
					arena_printf(arena,
						"{'type':'t','sender':'@a:b','room_id':'!r:b','content':{'body':'%s'}}",
						text))),
		};
		for (size_t length = 1; length <= NAME; length++) {
			for (unsigned name_bits = 0; name_bits < 1U << length; name_bits++) {
				char name[NAME + 1];
				bool is_there = false;
				write_bits(name, length, name_bits);
				for (size_t at = 0; at + length <= TEXT; at++) {
					is_there = is_there || is_word_at(text, TEXT, name, length, at);
				}
				if (push_eval(arena, &set, &facts, sample_user("@me:hs"), str_of(name)).notify !=
					is_there) {
					fail_msg("'%s' in '%s'", name, text);
				}
			}
		}
	}
}

static void order__kinds_and_rules__first_match_decides(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const struct {
		enum push_kind kind;
		const char *rule_id;
		const char *rule;
	} rules[] = {
		{PUSH_UNDERRIDE, "u", "{'actions':['notify',{'set_tweak':'sound','value':'u'}]}"},
		{PUSH_SENDER, "@alice:hs", "{'actions':['notify',{'set_tweak':'sound','value':'s'}]}"},
		{PUSH_ROOM, "!r:hs", "{'actions':['notify',{'set_tweak':'sound','value':'r'}]}"},
		{PUSH_CONTENT, "c",
			"{'pattern':'example','actions':['notify',{'set_tweak':'sound','value':'c'}]}"},
		{PUSH_OVERRIDE, "o",
			"{'actions':['notify',{'set_tweak':'sound','value':'o'},"
			"{'set_tweak':'sound','value':'o2'},'dont_notify']}"},
	};
	static const char *const sounds[] = {"u", "s", "r", "c", "o2"};
	struct push_ruleset set = {0};
	const struct push_facts facts = {.event =
										 sample_event(arena, "11", sample_json(arena, message)),
		.member_count = 3};
	struct user_id me = sample_user("@me:hs");
	assert_null(push_eval(arena, &set, &facts, me, NONE).rule);
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		push_ruleset_append(arena, &set,
			push_rule_read(arena, rules[i].kind, str_of(rules[i].rule_id),
				sample_json(arena, rules[i].rule)));
		struct push_result result = push_eval(arena, &set, &facts, me, NONE);
		assert_true(result.notify);
		assert_true(str_equals(result.sound, str_of(sounds[i])));
		assert_ptr_equal(result.rule, set.rules[rules[i].kind][0]);
	}
	push_rule_set_enabled(set.rules[PUSH_OVERRIDE][0], false);
	assert_text(push_eval(arena, &set, &facts, me, NONE).sound, "c");
	/* Nobody is told of own events. */
	assert_null(push_eval(arena, &set, &facts, sample_user("@alice:hs"), NONE).rule);
	/* A rule without notify ends the matter quietly, whatever its tweaks say. */
	push_rule_set_actions(arena, set.rules[PUSH_CONTENT][0],
		sample_json(arena, "[{'set_tweak':'highlight'},'dont_notify']"));
	struct push_result quiet = push_eval(arena, &set, &facts, me, NONE);
	assert_false(quiet.notify);
	assert_false(quiet.highlight);
	assert_null(quiet.sound.p);
	assert_non_null(quiet.rule);
}

/* --- the predefined rules --------------------------------------------------------------------- */

struct default_row {
	const char *event; /* type, state_key, content of an event of @alice:hs */
	int member_count;
	const char *result; /* n: notify, h: highlight, then the sound */
};

/* What the predefined rules of @me:hs, whose name here is Me, make of events of a member of power 50. */
static void check_rows(const struct default_row *rows, size_t count, bool in_text)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room room = make_room(arena, "{'users':{'@alice:hs':50}}");
	const struct state_view view = {.get = room_get, .self = &room};
	struct push_ruleset set = push_default_ruleset(arena, sample_user("@me:hs"), in_text);
	for (size_t i = 0; i < count; i++) {
		const struct json *json = sample_json(arena,
			arena_printf(arena, "{'sender':'@alice:hs','room_id':'!r:hs',%s}", rows[i].event));
		const struct push_facts facts = {.event = sample_event(arena, "11", json),
			.state = &view,
			.member_count = rows[i].member_count};
		struct push_result result =
			push_eval(arena, &set, &facts, sample_user("@me:hs"), STR("Me"));
		struct str text = str_printf(arena, "%s%s%.*s", result.notify ? "n" : "",
			result.highlight ? "h" : "", STR_ARG(result.sound));
		if (!str_equals(text, str_of(rows[i].result))) {
			fail_msg("%s: %.*s", rows[i].event, STR_ARG(text));
		}
	}
}

static void defaults__events__as_listed(void **state)
{
	(void)state;
	static const struct default_row rows[] = {
		{"'type':'m.room.message','content':{'body':'x'}", 3, "n"},
		{"'type':'m.room.message','content':{'body':'x'}", 2, "ndefault"},
		{"'type':'m.room.encrypted','content':{}", 3, "n"},
		{"'type':'m.room.encrypted','content':{}", 2, "ndefault"},
		{"'type':'m.room.message','content':{'msgtype':'m.notice'}", 2, ""},
		{"'type':'m.room.message','content':{'msgtype':'m.notice',"
		 "'m.mentions':{'user_ids':['@me:hs']}}",
			2, ""},
		{"'type':'m.room.message','content':{'m.mentions':{'user_ids':['@me:hs']}}", 3,
			"nhdefault"},
		{"'type':'m.room.message','content':{'m.mentions':{'user_ids':['@you:hs']}}", 3, "n"},
		{"'type':'m.room.message','content':{'m.mentions':{'room':true}}", 3, "nh"},
		{"'type':'m.room.message','content':{'m.mentions':{'room':'true'}}", 3, "n"},
		{"'type':'m.room.message','content':{'m.relates_to':{'rel_type':'m.replace'}}", 3, ""},
		{"'type':'m.room.message','content':{'m.relates_to':{'rel_type':'m.replace'},"
		 "'m.mentions':{'user_ids':['@me:hs']}}",
			3, "nhdefault"},
		{"'type':'m.room.name','state_key':'','content':{'name':'x'}", 2, ""},
		{"'type':'m.reaction','content':{}", 2, ""},
		{"'type':'m.call.invite','content':{}", 2, "nring"},
		{"'type':'m.room.tombstone','state_key':'','content':{}", 3, "nh"},
		{"'type':'m.room.tombstone','content':{}", 3, ""},
		{"'type':'m.room.tombstone','state_key':'x','content':{}", 3, ""},
		{"'type':'m.room.server_acl','state_key':'','content':{}", 3, ""},
		{"'type':'m.room.member','state_key':'@me:hs','content':{'membership':'invite'}", 2,
			"ndefault"},
		{"'type':'m.room.member','state_key':'@me:hs','content':{'membership':'join'}", 2, ""},
		{"'type':'m.room.member','state_key':'@you:hs','content':{'membership':'invite'}", 2, ""},
		{"'type':'m.room.member','state_key':'@you:hs','content':{'membership':'join',"
		 "'m.mentions':{'user_ids':['@me:hs']}}",
			2, ""},
	};
	check_rows(rows, COUNT_OF(rows), false);
}

static void defaults__with_rules_for_text__only_without_mentions(void **state)
{
	(void)state;
	static const struct default_row rows[] = {
		{"'type':'m.room.message','content':{'body':'for ME!'}", 3, "nhdefault"},
		{"'type':'m.room.message','content':{'body':'mean'}", 3, "n"},
		{"'type':'m.room.message','content':{'body':'at @room'}", 3, "nh"},
		{"'type':'m.room.message','content':{'body':'me @room','m.mentions':{}}", 3, "n"},
		{"'type':'m.room.message','content':{'body':'me','m.mentions':null}", 3, "n"},
		{"'type':'m.room.message','content':{'body':'x','m.mentions':{'user_ids':['@me:hs']}}", 3,
			"nhdefault"},
		{"'type':'m.room.message','content':{'body':'me','msgtype':'m.notice'}", 3, ""},
		{"'type':'m.room.encrypted','content':{'ciphertext':'me'}", 3, "n"},
	};
	check_rows(rows, COUNT_OF(rows), true);
}

static const char *pick(uint64_t *random, const char *const *choices, size_t count)
{
	return choices[next_random(random) % count];
}
#define PICK(random, choices) pick((random), (choices), COUNT_OF(choices))

/* An event whose properties are all near what the predefined rules look at. */
static struct event *random_event(struct arena *arena, uint64_t *random)
{
	/* Two long s: they fold to the letter. */
	static const char long_s_message[] = "m.room.me\xc5\xbf\xc5\xbf\x61ge";
	static const char long_s_other[] = "m.me\xc5\xbf\xc5\xbf\x61ge";
	static const char *const types[] = {"m.room.message", "m.room.encrypted", "m.room.member",
		"m.room.tombstone", "m.reaction", "m.room.server_acl", "m.call.invite", "m.room.name",
		"M.Room.Message", "m.room.Member", long_s_other, long_s_message, "m.room.encrypted2", "",
		"M.REACTION"};
	static const char *const senders[] = {"@a:hs", "@b:hs", "@c*:hs", "@boss:hs"};
	static const char *const state_keys[] = {"", "", "'state_key':'',", "'state_key':'x',",
		"'state_key':'@a:hs',", "'state_key':'@A:hs',", "'state_key':'@c!:hs',",
		"'state_key':'@b:hs',"};
	static const char *const msgtypes[] = {"", "", "", "'msgtype':'m.text',",
		"'msgtype':'m.notice',", "'msgtype':'M.NOTICE',", "'msgtype':7,"};
	static const char *const memberships[] = {"", "", "'membership':'invite',",
		"'membership':'Invite',", "'membership':'join',", "'membership':[],"};
	static const char *const relations[] = {"", "", "",
		"'m.relates_to':{'rel_type':'m.replace','event_id':'$x'},",
		"'m.relates_to':{'rel_type':'m.thread','event_id':'$x'},",
		"'m.relates_to':{'rel_type':'M.replace'},", "'m.relates_to':7,",
		"'m.relates_to':{'rel_type':['m.replace']},"};
	static const char *const users[] = {"", "", "'user_ids':['@a:hs']", "'user_ids':[]",
		"'user_ids':['@b:hs','@a:hs','@b:hs',7,'@zzz:hs','@A:hs']", "'user_ids':'@a:hs'",
		"'user_ids':['@boss:hs','@c*:hs','nobody','',null]", "'user_ids':{'@a:hs':true}"};
	static const char *const rooms[] = {"", "", "'room':true", "'room':false", "'room':1",
		"'room':'true'"};
	const char *user_ids = PICK(random, users);
	const char *room = PICK(random, rooms);
	const char *comma = user_ids[0] != '\0' && room[0] != '\0' ? "," : "";
	const char *mentions = next_random(random) % 8 == 0
		? "'m.mentions':[],"
		: arena_printf(arena, "'m.mentions':{%s%s%s},", user_ids, comma, room);
	const char *text = arena_printf(arena,
		"{'type':'%s','sender':'%s',%s'room_id':'!r:hs','event_id':'$e',"
		"'content':{%s%s%s%s'body':'hello a'}}",
		PICK(random, types), PICK(random, senders), PICK(random, state_keys),
		PICK(random, msgtypes), PICK(random, memberships), PICK(random, relations), mentions);
	return sample_event(arena, "11", sample_json(arena, text));
}

static void generic__random_events__equal_to_the_predefined_rules(void **state)
{
	(void)state;
	enum { ROUNDS = 60000, USERS = 6 };
	static const char *const members[USERS] = {"@a:hs", "@b:hs", "@c*:hs", "@boss:hs", "@quiet:hs",
		"@A:hs"};
	static const char *const levels[] = {NULL, "{}", "{'users':{'@a:hs':49,'@b:hs':50}}",
		"{'users_default':50}", "{'notifications':{'room':0}}",
		"{'users':{'@a:hs':100},'notifications':{'room':100}}"};
	struct arena *keep CLEANUP(arena_cleanup) = arena_create();
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct push_ruleset sets[USERS];
	for (size_t i = 0; i < USERS; i++) {
		sets[i] = push_default_ruleset(keep, sample_user(members[i]), false);
	}
	uint64_t random = 0x9E3779B97F4A7C15U;
	size_t seen[2][2][3] = {0};
	for (size_t round = 0; round < ROUNDS; round++) {
		arena_reset(arena);
		struct room room = make_room(arena, PICK(&random, levels));
		const struct state_view view = {.get = room_get, .self = &room};
		const struct push_facts facts = {.event = random_event(arena, &random),
			.state = &view,
			.member_count = (int64_t)(next_random(&random) % 4)};
		struct push_generic generic = push_eval_generic(arena, &facts);
		for (size_t i = 0; i < USERS; i++) {
			struct user_id user = sample_user(members[i]);
			struct push_result full = push_eval(arena, &sets[i], &facts, user, STR("a"));
			struct push_result quick = push_generic_for(&generic, user);
			if (full.notify != quick.notify || full.highlight != quick.highlight ||
				(full.sound.p == NULL) != (quick.sound.p == NULL) ||
				!str_equals(full.sound, quick.sound)) {
				struct str text = sample_write(arena, facts.event->tree);
				fail_msg("%s: %.*s", members[i], STR_ARG(text));
			}
			size_t sound = full.sound.p == NULL ? 0 : full.sound.p[0] == 'd' ? 1 : 2;
			seen[full.notify][full.highlight][sound]++;
		}
		for (size_t i = 1; i < generic.mentioned_count; i++) {
			assert_true(str_compare(generic.mentioned[i - 1].s, generic.mentioned[i].s) < 0);
		}
	}
	/* Every outcome that there is was met often. */
	assert_true(seen[0][0][0] > 1000);
	assert_true(seen[1][0][0] > 1000);
	assert_true(seen[1][0][1] > 500);
	assert_true(seen[1][0][2] > 500);
	assert_true(seen[1][1][0] > 500);
	assert_true(seen[1][1][1] > 500);
}

/* Long patterns and long bodies that make backtracking matchers slow: the time stays linear. */
static void evaluate__hostile_patterns__bounded_time(void **state)
{
	(void)state;
	enum { BODY = 60000, PATTERN = 900 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char *body = arena_alloc(arena, BODY + 1);
	memset(body, 'a', BODY);
	char *pattern = arena_alloc(arena, PATTERN + 1);
	for (size_t i = 0; i < PATTERN; i++) {
		pattern[i] = i % 2 == 0 ? 'a' : '*';
	}
	pattern[PATTERN - 1] = 'b';
	struct push_ruleset set = {0};
	push_ruleset_append(arena, &set,
		push_rule_read(arena, PUSH_CONTENT, STR("c"),
			sample_json(arena, arena_printf(arena, "{'pattern':'%s'}", pattern))));
	push_ruleset_append(arena, &set,
		push_rule_read(arena, PUSH_OVERRIDE, STR("o"),
			sample_json(arena, "{'conditions':[{'kind':'contains_display_name'}]}")));
	const struct json *json = sample_json(arena,
		arena_printf(arena, "{'type':'t','sender':'@a:b','content':{'body':'%s'}}", body));
	const struct push_facts facts = {.event = sample_event(arena, "11", json)};
	struct str name = str_from(body, BODY / 2);
	struct str odd_name = str_printf(arena, "%.*sb", STR_ARG(name));
	int64_t start_us = cpu_time_us();
	assert_null(push_eval(arena, &set, &facts, sample_user("@me:hs"), odd_name).rule);
	assert_null(push_eval(arena, &set, &facts, sample_user("@me:hs"), name).rule);
	/* A backtracking matcher would need years. */
	assert_true(cpu_time_us() - start_us < 2000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(condition__each_kind__as_listed),
		cmocka_unit_test(condition__out_of_range_integer__never_equal),
		cmocka_unit_test(display_name__words__found_in_any_case),
		cmocka_unit_test(display_name__all_short_names_and_texts__as_by_looking_at_each_place),
		cmocka_unit_test(order__kinds_and_rules__first_match_decides),
		cmocka_unit_test(defaults__events__as_listed),
		cmocka_unit_test(defaults__with_rules_for_text__only_without_mentions),
		cmocka_unit_test(generic__random_events__equal_to_the_predefined_rules),
		cmocka_unit_test(evaluate__hostile_patterns__bounded_time),
	};
	return RUN_ALL(tests);
}
