/*
 * Stripped state: ours, and whatever another server may send in its place.
 */
#include "tests/unit/base/check.h"

#include "matrix/stripped.h"

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

static struct json parsed(const char *text)
{
	char *copy = arena_printf(arena, "%s", text);
	for (char *c = copy; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	struct json value;
	assert_int_equal(json_parse(arena, str_of(copy), NULL, &value, NULL), JSON_OK);
	return value;
}

static struct str quoted(const char *text)
{
	char *copy = arena_printf(arena, "%s", text);
	for (char *c = copy; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	return str_of(copy);
}

/* A state event as it would be stored; `extra` goes before its type. */
static struct event *state_event(const char *version, const char *type, const char *content)
{
	bool is_create = strcmp(type, "m.room.create") == 0 && strcmp(version, "12") == 0;
	struct json json = parsed(arena_printf(arena,
		"{'auth_events':[],'content':%s,'depth':1,'hashes':{'sha256':'x'},'origin_server_ts':1,"
		"'prev_events':[]%s,'sender':'@a:a.example','signatures':{},'state_key':'','type':'%s'}",
		content, is_create ? "" : ",'room_id':'!r:a.example'", type));
	struct event *event = NULL;
	assert_true(event_parse(arena, room_version_find(str_of(version)), &json, &event).allowed);
	return event;
}

static void types__create_is_first__all_seven(void **state)
{
	(void)state;
	size_t count;
	const struct str *types = stripped_state_types(&count);
	assert_int_equal(count, 7);
	assert_text(types[0], "m.room.create");
}

static void text__events__four_keys_each(void **state)
{
	(void)state;
	const struct event *events[] = {
		state_event("10", "m.room.create", "{'creator':'@a:a.example'}"),
		state_event("10", "m.room.name", "{'name':'\\n'}"),
	};
	struct str text = stripped_state_text(arena, events, 2);
	assert_true(str_equals(text,
		quoted("[{'content':{'creator':'@a:a.example'},'sender':'@a:a.example','state_key':'',"
			   "'type':'m.room.create'},{'content':{'name':'\\n'},'sender':'@a:a.example',"
			   "'state_key':'','type':'m.room.name'}]")));
	assert_text(stripped_state_text(arena, NULL, 0), "[]");
	assert_text(stripped_state_pdus(arena, NULL, 0), "[]");
	struct json pdus;
	assert_int_equal(json_parse(arena, stripped_state_pdus(arena, events, 2), NULL, &pdus, NULL),
		JSON_OK);
	assert_int_equal(pdus.count, 2);
	assert_true(json_equals(&pdus.items[1], events[1]->tree));
}

static struct str pruned(const char *received)
{
	struct json value = parsed(received);
	return stripped_state_prune(arena, &value);
}

static void prune__any_shape__never_fails(void **state)
{
	(void)state;
	assert_text(stripped_state_prune(arena, NULL), "[]");
	static const char *const shapes[] = {"null", "1", "'x'", "{}", "{'a':1}", "[]", "[null]",
		"[[]]", "[1,'x',true,{}]", "[{'type':1,'state_key':'','sender':'@a:b','content':{}}]",
		"[{'type':'x','state_key':1,'sender':'@a:b','content':{}}]",
		"[{'type':'x','state_key':'','sender':'nobody','content':{}}]",
		"[{'type':'x','state_key':'','sender':'@a:b','content':[]}]",
		"[{'type':'x','state_key':'','sender':'@a:b'}]",
		"[{'type':'x','sender':'@a:b','content':{}}]",
		"[{'state_key':'','sender':'@a:b','content':{}}]"};
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		assert_text(pruned(shapes[i]), "[]");
	}
}

static void prune__good_entries__four_keys_first_of_each(void **state)
{
	(void)state;
	struct str text = pruned("[{'type':'x','state_key':'','sender':'@a:b','content':{'n':1},"
							 "'unsigned':{'evil':1},'event_id':'$e','room_id':'!r'},null,"
							 "{'type':'x','state_key':'','sender':'@c:d','content':{'n':2}},"
							 "{'type':'x','state_key':'k','sender':'@c:d','content':{}}]");
	assert_true(str_equals(text,
		quoted("[{'content':{'n':1},'sender':'@a:b','state_key':'','type':'x'},"
			   "{'content':{},'sender':'@c:d','state_key':'k','type':'x'}]")));
}

static void prune__many_entries__first_hundred(void **state)
{
	(void)state;
	struct json list = {.type = JSON_ARRAY,
		.items = ARENA_NEW_ARRAY(arena, struct json, 500),
		.count = 500};
	for (size_t i = 0; i < list.count; i++) {
		list.items[i] = parsed(
			arena_printf(arena, "{'type':'x','state_key':'%zu','sender':'@a:b','content':{}}", i));
	}
	struct json again;
	assert_int_equal(json_parse(arena, stripped_state_prune(arena, &list), NULL, &again, NULL),
		JSON_OK);
	assert_int_equal(again.count, 100);
}

static struct json list_of(struct event *const *events, size_t count)
{
	struct json list = json_array_of(ARENA_NEW_ARRAY(arena, struct json, count), count);
	for (size_t i = 0; i < count; i++) {
		list.items[i] = *events[i]->tree;
	}
	return list;
}

static enum stripped_fault check(const char *version, struct room_id room,
	const struct json *received)
{
	struct event **events = NULL;
	size_t count = 0;
	enum stripped_fault fault = stripped_state_check(arena, room_version_find(str_of(version)),
		room, received, &events, &count);
	assert_int_equal(events != NULL, fault == STRIPPED_OK);
	return fault;
}

static void check__room_state__only_whole_and_with_create(void **state)
{
	(void)state;
	struct room_id room = {STR("!r:a.example")};
	struct event *events[] = {state_event("10", "m.room.create", "{}"),
		state_event("10", "m.room.name", "{}")};
	struct json good = list_of(events, 2);
	assert_int_equal(check("10", room, &good), STRIPPED_OK);
	struct json nameless = list_of(events + 1, 1);
	assert_int_equal(check("10", room, &nameless), STRIPPED_NO_CREATE);
	assert_int_equal(check("10", room, NULL), STRIPPED_NO_CREATE);
	struct json nothing = parsed("{}");
	assert_int_equal(check("10", room, &nothing), STRIPPED_NO_CREATE);
	assert_int_equal(check("10", (struct room_id){STR("!s:a.example")}, &good),
		STRIPPED_OTHER_ROOM);
	good.items[1] = parsed("{'type':'x','state_key':'','sender':'@a:b','content':{}}");
	assert_int_equal(check("10", room, &good), STRIPPED_NO_PDU);
	good.items[1] = json_without(arena, events[1]->tree, STR("state_key"));
	assert_int_equal(check("10", room, &good), STRIPPED_NO_PDU);
}

static void check__version_12__room_computed_from_create(void **state)
{
	(void)state;
	struct event *create[] = {state_event("12", "m.room.create", "{}")};
	struct json list = list_of(create, 1);
	assert_int_equal(check("12", create[0]->room_id, &list), STRIPPED_OK);
	assert_int_equal(check("12", (struct room_id){STR("!other")}, &list), STRIPPED_OTHER_ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types__create_is_first__all_seven),
		cmocka_unit_test(text__events__four_keys_each),
		cmocka_unit_test(prune__any_shape__never_fails),
		cmocka_unit_test(prune__good_entries__four_keys_first_of_each),
		cmocka_unit_test(prune__many_entries__first_hundred),
		cmocka_unit_test(check__room_state__only_whole_and_with_create),
		cmocka_unit_test(check__version_12__room_computed_from_create),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
