/*
 * Filters: what is read and refused, which events pass, and which of their members.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/filter.h"

static struct filter parse(struct arena *arena, const char *text)
{
	struct filter filter;
	struct field_error error;
	if (!filter_parse(arena, sample_json(arena, text), &filter, &error)) {
		fail_msg("%s: %.*s %s", text, STR_ARG(error.field), error.text);
	}
	return filter;
}

static struct event_filter parse_section(struct arena *arena, const char *text)
{
	struct event_filter filter;
	struct field_error error;
	if (!event_filter_parse(arena, sample_json(arena, text), &filter, &error)) {
		fail_msg("%s: %.*s %s", text, STR_ARG(error.field), error.text);
	}
	return filter;
}

static void parse__example_of_the_specification__every_field(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct filter filter = parse(arena,
		"{'room':{'state':{'types':['m.room.*'],'not_rooms':['!726s6s6q:example.com']},"
		"'timeline':{'limit':20,'types':['m.room.message'],'not_senders':['@spam:example.com'],"
		"'unread_thread_notifications':true},"
		"'ephemeral':{'types':['m.receipt','m.typing']},'include_leave':true},"
		"'presence':{'types':['m.presence'],'not_senders':['@alice:example.com']},"
		"'event_format':'federation','event_fields':['type','content','sender']}");
	assert_true(event_filter_allows_type(&filter.state, STR("m.room.name")));
	assert_false(event_filter_allows_type(&filter.state, STR("m.call.invite")));
	assert_false(event_filter_allows_room(&filter.state, STR("!726s6s6q:example.com")));
	assert_int_equal(filter.timeline.limit, 20);
	assert_true(filter.timeline.has_limit);
	assert_true(filter.timeline.unread_thread_notifications);
	assert_false(filter.timeline.allows_all);
	assert_false(event_filter_allows_sender(&filter.timeline, STR("@spam:example.com")));
	assert_true(event_filter_allows_type(&filter.ephemeral, STR("m.typing")));
	assert_false(event_filter_allows_type(&filter.ephemeral, STR("m.other")));
	assert_true(filter.include_leave);
	assert_false(event_filter_allows_sender(&filter.presence, STR("@alice:example.com")));
	assert_true(filter.is_federation_format);
	assert_int_equal(filter.field_count, 3);
	assert_true(filter.account_data.allows_all);
	assert_true(filter.room_account_data.allows_all);
}

static void parse__empty_definition__lets_everything_pass(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct filter filter = parse(arena, "{}");
	assert_true(filter.timeline.allows_all);
	assert_int_equal(filter.timeline.limit, FILTER_DEFAULT_LIMIT);
	assert_false(filter.timeline.has_limit);
	assert_false(filter.include_leave);
	assert_true(filter_allows_room(&filter, STR("!a:b")));
	filter = parse(arena, "{'room':{'timeline':{}},'unknown':[1,2],'presence':{'x':null}}");
	assert_true(filter.timeline.allows_all);
}

static void parse__limits__clamped(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_int_equal(parse_section(arena, "{'limit':1}").limit, 1);
	assert_int_equal(parse_section(arena, "{'limit':0}").limit, 0);
	assert_int_equal(parse_section(arena, "{'limit':100}").limit, 100);
	assert_int_equal(parse_section(arena, "{'limit':101}").limit, 100);
	assert_int_equal(parse_section(arena, "{'limit':9007199254740991}").limit, 100);
	assert_true(parse_section(arena, "{'limit':5}").allows_all);
}

struct refused {
	const char *definition;
	const char *field;
};

static void parse__malformed__refused_with_the_field(void **state)
{
	(void)state;
	static const struct refused rows[] = {
		{"[]", "filter"},
		{"'x'", "filter"},
		{"{'room':[]}", "room"},
		{"{'room':{'timeline':7}}", "room.timeline"},
		{"{'room':{'timeline':{'limit':-1}}}", "room.timeline.limit"},
		{"{'room':{'timeline':{'limit':1.5}}}", "room.timeline.limit"},
		{"{'room':{'timeline':{'limit':'10'}}}", "room.timeline.limit"},
		{"{'room':{'state':{'types':'m.room.name'}}}", "room.state.types"},
		{"{'room':{'state':{'types':[1]}}}", "room.state.types"},
		{"{'room':{'state':{'lazy_load_members':1}}}", "room.state.lazy_load_members"},
		{"{'room':{'state':{'include_redundant_members':'x'}}}",
			"room.state.include_redundant_members"},
		{"{'room':{'timeline':{'contains_url':null}}}", "room.timeline.contains_url"},
		{"{'room':{'timeline':{'unread_thread_notifications':0}}}",
			"room.timeline.unread_thread_notifications"},
		{"{'room':{'ephemeral':{'not_types':{}}}}", "room.ephemeral.not_types"},
		{"{'room':{'account_data':{'senders':['x']}}}", "room.account_data.senders"},
		{"{'room':{'timeline':{'related_by_senders':['x']}}}", "room.timeline.related_by_senders"},
		{"{'room':{'timeline':{'related_by_rel_types':[[]]}}}",
			"room.timeline.related_by_rel_types"},
		{"{'room':{'rooms':['#a:b']}}", "room.rooms"},
		{"{'room':{'not_rooms':[null]}}", "room.not_rooms"},
		{"{'room':{'include_leave':'yes'}}", "room.include_leave"},
		{"{'presence':{'not_senders':['alice']}}", "presence.not_senders"},
		{"{'account_data':[]}", "account_data"},
		{"{'account_data':{'limit':{}}}", "account_data.limit"},
		{"{'event_fields':'content'}", "event_fields"},
		{"{'event_fields':[1]}", "event_fields"},
		{"{'event_format':'xml'}", "event_format"},
		{"{'event_format':1}", "event_format"},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct filter filter;
		struct field_error error;
		if (filter_parse(arena, sample_json(arena, rows[i].definition), &filter, &error)) {
			fail_msg("accepted: %s", rows[i].definition);
		}
		assert_string_equal(str_cstr(arena, error.field), rows[i].field);
		assert_string_equal(error.errcode, M_BAD_JSON);
	}
	struct event_filter section;
	struct field_error error;
	assert_false(event_filter_parse(arena, sample_json(arena, "[]"), &section, &error));
	assert_false(event_filter_parse(arena, sample_json(arena, "{'rooms':1}"), &section, &error));
	assert_string_equal(str_cstr(arena, error.field), "rooms");
}

struct type_row {
	const char *pattern;
	const char *type;
	bool matches;
};

static void types__stars__match_any_run(void **state)
{
	(void)state;
	static const struct type_row rows[] = {
		{"m.room.*", "m.room.name", true},
		{"m.room.*", "m.room.", true},
		{"m.room.*", "m.room", false},
		{"*", "", true},
		{"*", "anything", true},
		{"**", "x", true},
		{"*.message", "m.room.message", true},
		{"*.message", "m.room.messages", false},
		{"m.*.message", "m.room.message", true},
		{"m.*.message", "m.message", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"*ab*ab*", "ab", false},
		{"*ab*ab*", "xabyabz", true},
		{"m.room.messag?", "m.room.message", false},
		{"m.room.messag?", "m.room.messag?", true},
		{"M.room.*", "m.room.name", false},
		{"m.r[o]*", "m.roo", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"*b", "ab", true},
		{"b*", "ab", false},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct event_filter filter =
			parse_section(arena, arena_printf(arena, "{'types':['%s']}", rows[i].pattern));
		if (event_filter_allows_type(&filter, str_of(rows[i].type)) != rows[i].matches) {
			fail_msg("%s on %s", rows[i].pattern, rows[i].type);
		}
	}
}

static void lists__given__unwanted_wins(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct event_filter filter = parse_section(arena,
		"{'types':['a','b*'],'not_types':['b','ba*'],'senders':['@x:y','@z:y'],"
		"'not_senders':['@z:y']}");
	assert_true(event_filter_allows_type(&filter, STR("a")));
	assert_false(event_filter_allows_type(&filter, STR("b")));
	assert_true(event_filter_allows_type(&filter, STR("bb")));
	assert_false(event_filter_allows_type(&filter, STR("bab")));
	assert_false(event_filter_allows_type(&filter, STR("c")));
	assert_true(event_filter_allows_sender(&filter, STR("@x:y")));
	assert_false(event_filter_allows_sender(&filter, STR("@z:y")));
	assert_false(event_filter_allows_sender(&filter, STR("@other:y")));
	filter = parse_section(arena, "{'types':[],'not_rooms':[]}");
	assert_false(event_filter_allows_type(&filter, STR("a")));
	assert_true(event_filter_allows_room(&filter, STR("!a:b")));
	struct filter whole = parse(arena, "{'room':{'rooms':['!a:b','!c:d'],'not_rooms':['!c:d']}}");
	assert_true(filter_allows_room(&whole, STR("!a:b")));
	assert_false(filter_allows_room(&whole, STR("!c:d")));
	assert_false(filter_allows_room(&whole, STR("!e:f")));
}

static void event__every_property__decides_alone(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *with_url = sample_json(arena, "{'url':'mxc://a/b','body':'x'}");
	struct filter_facts facts = {.type = STR("m.room.message"),
		.sender = STR("@a:b"),
		.room_id = STR("!r:b"),
		.content = with_url};
	static const struct {
		const char *filter;
		bool allowed;
	} rows[] = {
		{"{}", true},
		{"{'types':['m.room.message']}", true},
		{"{'types':['m.room.name']}", false},
		{"{'not_types':['*message']}", false},
		{"{'senders':['@c:b']}", false},
		{"{'not_senders':['@a:b']}", false},
		{"{'rooms':['!other:b']}", false},
		{"{'not_rooms':['!r:b']}", false},
		{"{'contains_url':true}", true},
		{"{'contains_url':false}", false},
		{"{'related_by_rel_types':['m.thread']}", false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct event_filter filter = parse_section(arena, rows[i].filter);
		if (filter_allows_event(&filter, &facts) != rows[i].allowed) {
			fail_msg("%s", rows[i].filter);
		}
	}
	struct event_filter no_url = parse_section(arena, "{'contains_url':false}");
	facts.content = sample_json(arena, "{'body':'url'}");
	assert_true(filter_allows_event(&no_url, &facts));
	struct event_filter elsewhere = parse_section(arena, "{'rooms':['!other:b']}");
	facts.room_id = str_from(NULL, 0);
	assert_true(filter_allows_event(&elsewhere, &facts));
}

static void event__related_by__one_relation_meets_both(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct filter_relation relations[] = {
		{.rel_type = STR("m.thread"), .sender = STR("@a:b")},
		{.rel_type = STR("m.replace"), .sender = STR("@c:b")},
	};
	struct filter_facts facts = {.type = STR("t"),
		.sender = STR("@s:b"),
		.relations = relations,
		.relation_count = COUNT_OF(relations)};
	struct event_filter filter =
		parse_section(arena, "{'related_by_rel_types':['m.thread'],'related_by_senders':['@a:b']}");
	assert_true(event_filter_asks_relations(&filter));
	assert_true(filter_allows_event(&filter, &facts));
	filter =
		parse_section(arena, "{'related_by_rel_types':['m.thread'],'related_by_senders':['@c:b']}");
	assert_false(filter_allows_event(&filter, &facts));
	filter = parse_section(arena, "{'related_by_senders':['@c:b']}");
	assert_true(filter_allows_event(&filter, &facts));
}

struct projection {
	const char *fields;
	const char *expected;
};

static void project__fields__as_listed(void **state)
{
	(void)state;
	static const struct projection rows[] = {
		{"[]",
			"{'type':'t','sender':'@a:b','content':{'body':'x','m.rel':{'k':1,'l':2},"
			"'a\\\\b':{'c':{'d':[1]}}},'unsigned':{'age':5}}"},
		{"['type']", "{'type':'t'}"},
		{"['type','sender','type']", "{'type':'t','sender':'@a:b'}"},
		{"['content.body']", "{'content':{'body':'x'}}"},
		{"['content','content.body']",
			"{'content':{'body':'x','m.rel':{'k':1,'l':2},'a\\\\b':{'c':{'d':[1]}}}}"},
		{"['content.m\\\\.rel.k']", "{'content':{'m.rel':{'k':1}}}"},
		{"['content.m\\\\.rel.k','content.m\\\\.rel.l','content.m\\\\.rel']",
			"{'content':{'m.rel':{'k':1,'l':2}}}"},
		{"['content.a\\\\\\\\b.c']", "{'content':{'a\\\\b':{'c':{'d':[1]}}}}"},
		{"['content.a\\\\\\\\b.c.d.0']", "{}"},
		{"['content.m.rel']", "{}"},
		{"['content.nothing.at.all','nothing']", "{}"},
		{"['content.body.deeper','unsigned.age']", "{'unsigned':{'age':5}}"},
		{"['']", "{}"},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *event = sample_json(arena, rows[0].expected);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct filter filter =
			parse(arena, arena_printf(arena, "{'event_fields':%s}", rows[i].fields));
		struct json projected = filter_project(arena, &filter, event);
		sample_assert_equal(arena, &projected, rows[i].expected);
	}
}

static void project__deep_event__no_recursion_needed(void **state)
{
	(void)state;
	enum { DEPTH = 90 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct buf event CLEANUP(buf_fini);
	struct buf path CLEANUP(buf_fini);
	buf_init(&event, 1 << 16);
	buf_init(&path, 1 << 16);
	for (size_t i = 0; i < DEPTH; i++) {
		buf_add_lit(&event, "{'x':1,'a':");
		buf_add_lit(&path, "a.");
	}
	buf_add_lit(&event, "7");
	buf_add_lit(&path, "a");
	for (size_t i = 0; i < DEPTH; i++) {
		buf_add_lit(&event, "}");
	}
	const struct json *deep = sample_json(arena, str_cstr(arena, buf_str(&event)));
	struct filter filter = parse(arena,
		arena_printf(arena, "{'event_fields':['%.*s']}",
			STR_ARG(str_slice(buf_str(&path), 0, path.n - 2))));
	struct json projected = filter_project(arena, &filter, deep);
	const struct json *at = &projected;
	for (size_t i = 0; i < DEPTH; i++) {
		assert_int_equal(at->count, 1);
		at = json_at(at, "a");
	}
	assert_int_equal(at->integer, 7);
	/* One name more than there are objects: nothing is found, and no empty shells are left. */
	filter =
		parse(arena, arena_printf(arena, "{'event_fields':['%.*s']}", STR_ARG(buf_str(&path))));
	projected = filter_project(arena, &filter, deep);
	assert_int_equal(projected.count, 0);
}

static void event__long_lists__asked_by_halving(void **state)
{
	(void)state;
	enum { SENDERS = 5000 };
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, 1 << 20);
	buf_add_lit(&text, "{'not_senders':[");
	for (int i = 0; i < SENDERS; i++) {
		buf_printf(&text, "%s'@u%d:b'", i > 0 ? "," : "", (i * 7919) % SENDERS);
	}
	buf_add_lit(&text, "]}");
	struct event_filter filter = parse_section(arena, str_cstr(arena, buf_str(&text)));
	for (int i = 0; i < SENDERS; i++) {
		assert_false(event_filter_allows_sender(&filter, str_printf(arena, "@u%d:b", i)));
	}
	assert_true(event_filter_allows_sender(&filter, STR("@u5000:b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__example_of_the_specification__every_field),
		cmocka_unit_test(parse__empty_definition__lets_everything_pass),
		cmocka_unit_test(parse__limits__clamped),
		cmocka_unit_test(parse__malformed__refused_with_the_field),
		cmocka_unit_test(types__stars__match_any_run),
		cmocka_unit_test(lists__given__unwanted_wins),
		cmocka_unit_test(event__every_property__decides_alone),
		cmocka_unit_test(event__related_by__one_relation_meets_both),
		cmocka_unit_test(project__fields__as_listed),
		cmocka_unit_test(project__deep_event__no_recursion_needed),
		cmocka_unit_test(event__long_lists__asked_by_halving),
	};
	return RUN_ALL(tests);
}
