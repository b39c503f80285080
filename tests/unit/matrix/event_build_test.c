/*
 * event_build(): limits, places of `redacts` and ids, and random events that must be what event_parse()
 * makes of them.
 */
#include "tests/unit/base/check.h"

#include "matrix/canonical.h"
#include "matrix/event_build.h"
#include "matrix/sign.h"

static struct arena *arena;
static struct event_signer signer;
static unsigned char public_key[ED25519_PUBLIC_BYTES];

static int set_up(void **state)
{
	(void)state;
	static const unsigned char seed[ED25519_SEED_BYTES] = {7};
	arena = arena_create();
	signer = (struct event_signer){
		.server = {STR("a.example")},
		.key_id = STR("ed25519:k"),
		.key = ed25519_key_create(seed),
	};
	ed25519_public(signer.key, public_key);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	arena_destroy(arena);
	return 0;
}

static struct event_id ids[21];

static struct event_intent intent_of(const char *version, struct json content)
{
	struct json *copy = ARENA_NEW(arena, struct json);
	*copy = content;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		ids[i].s = str_printf(arena, "$%zu:a.example", i);
	}
	const struct room_version *row = room_version_find(str_of(version));
	return (struct event_intent){
		.version = row,
		.room_id = {row->room_id_is_create_hash ? STR("!room") : STR("!room:a.example")},
		.sender = {STR("@a:a.example")},
		.type = STR("m.room.message"),
		.content = copy,
		.origin_server_ts = 1700000000000,
		.depth = 7,
		.prev_events = ids,
		.prev_count = 1,
		.auth_events = ids,
		.auth_count = 3,
		.explicit_event_id = STR("$new:a.example"),
	};
}

static struct json parsed(const char *text)
{
	struct json value;
	assert_int_equal(json_parse(arena, str_of(text), NULL, &value, NULL), JSON_OK);
	return value;
}

static struct json text_content(size_t n)
{
	char *text = arena_alloc(arena, n + 1);
	memset(text, 'x', n);
	struct json content = json_object(arena, 0);
	return json_with(arena, &content, STR("body"), json_string(str_from(text, n)));
}

static struct event *build(const struct event_intent *intent)
{
	struct event *event = NULL;
	struct verdict verdict = event_build(arena, intent, &signer, &event);
	if (!verdict.allowed) {
		fail_msg("%s: %s", verdict.rule, verdict.text);
	}
	return event;
}

static void assert_refused(const struct event_intent *intent, const char *rule)
{
	struct event *event = NULL;
	struct verdict verdict = event_build(arena, intent, &signer, &event);
	assert_false(verdict.allowed);
	assert_null(event);
	assert_string_equal(verdict.rule, rule);
}

/* Everything that another server would check. */
static void check_as_foreign(const struct event *event)
{
	struct json json;
	struct event *again = NULL;
	assert_int_equal(json_parse(arena, event->raw, NULL, &json, NULL), JSON_OK);
	assert_true(event_parse(arena, event->version, &json, &again).allowed);
	assert_true(str_equals(again->raw, event->raw));
	assert_true(str_equals(again->event_id.s, event->event_id.s));
	assert_true(str_equals(again->room_id.s, event->room_id.s));
	assert_true(str_equals(again->redacts, event->redacts));
	assert_true(event_hash_is_valid(arena, &json));
	assert_true(event_verify(arena, event->version, &json, signer.server.s, signer.key_id,
		str_from((const char *)public_key, sizeof(public_key))));
	assert_true(str_equals(canonical_text(arena, event->tree), event->raw));
	assert_true(str_equals(canonical_text(arena, event->content), json_raw(event->content)));
}

static void build__every_version__others_accept(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *all = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		struct event_intent intent =
			intent_of(all[i].id.p, parsed("{\"b\":{\"d\":1,\"c\":[]},\"a\":\"x\"}"));
		intent.version = &all[i];
		check_as_foreign(build(&intent));
		intent.is_state = true;
		intent.state_key = STR("@k:a.example");
		intent.type = STR("m.room.power_levels");
		check_as_foreign(build(&intent));
		intent.prev_count = 0;
		intent.auth_count = 0;
		intent.state_key = STR("");
		intent.type = STR("m.room.create");
		check_as_foreign(build(&intent));
	}
}

static void build__size__65536_bytes_are_the_last(void **state)
{
	(void)state;
	struct event_intent intent = intent_of("12", text_content(0));
	size_t least = build(&intent)->raw.n;
	intent = intent_of("12", text_content(EVENT_MAX_BYTES - least));
	assert_int_equal(build(&intent)->raw.n, EVENT_MAX_BYTES);
	intent = intent_of("12", text_content(EVENT_MAX_BYTES - least + 1));
	assert_refused(&intent, "event.size");
	intent = intent_of("12", text_content(1000000));
	assert_refused(&intent, "event.size");
}

static void build__keys_and_counts__last_good_first_bad(void **state)
{
	(void)state;
	struct event_intent intent = intent_of("10", text_content(1));
	intent.type = json_get_str(intent_of("10", text_content(255)).content, STR("body"));
	assert_int_equal(build(&intent)->type.n, 255);
	intent.type = json_get_str(intent_of("10", text_content(256)).content, STR("body"));
	assert_refused(&intent, "event.size.type");
	intent = intent_of("10", text_content(256));
	intent.state_key = json_get_str(intent.content, STR("body"));
	assert_int_equal(build(&intent)->is_state, false); /* not looked at */
	intent.is_state = true;
	assert_refused(&intent, "event.size.state_key");
	intent = intent_of("10", text_content(1));
	intent.prev_count = 20;
	assert_int_equal(build(&intent)->prev_count, 20);
	intent.prev_count = 21;
	assert_refused(&intent, "event.prev_events");
	intent = intent_of("10", text_content(1));
	intent.auth_count = 10;
	assert_int_equal(build(&intent)->auth_count, 10);
	intent.auth_count = 11;
	assert_refused(&intent, "event.auth_events");
}

static void build__malformed_values__refused(void **state)
{
	(void)state;
	struct event_intent intent = intent_of("10", parsed("[]"));
	assert_refused(&intent, "event.content");
	intent = intent_of("10", parsed("{\"a\":1.5}"));
	assert_refused(&intent, "event.canonical");
	intent = intent_of("5", parsed("{\"a\":1.5}"));
	check_as_foreign(build(&intent));
	intent = intent_of("10", text_content(1));
	intent.type = STR("a\xff");
	assert_refused(&intent, "event.type");
	intent.type = STR("a\0b");
	assert_refused(&intent, "event.type");
	intent = intent_of("10", text_content(1));
	intent.is_state = true;
	intent.state_key = STR("\xc0\x80");
	assert_refused(&intent, "event.state_key");
	intent.state_key = STR("\0");
	assert_refused(&intent, "event.state_key");
	intent = intent_of("10", text_content(1));
	intent.type = STR("m.room.redaction");
	intent.redacts = STR("no id");
	assert_refused(&intent, "event.redacts");
	intent = intent_of("10", text_content(1));
	intent.depth = CANONICAL_INT_MAX;
	check_as_foreign(build(&intent));
	intent.depth++;
	assert_refused(&intent, "event.depth");
	intent = intent_of("5", text_content(1));
	intent.depth = INT64_MAX;
	check_as_foreign(build(&intent));
	intent.depth = -1;
	assert_refused(&intent, "event.depth");
	intent = intent_of("10", text_content(1));
	intent.origin_server_ts = CANONICAL_INT_MAX + 1;
	assert_refused(&intent, "event.origin_server_ts");
}

static void build__nesting__100_levels_are_the_last(void **state)
{
	(void)state;
	struct json value = json_object(arena, 0);
	for (int i = 1; i < 99; i++) {
		struct json outer = json_object(arena, 0);
		value = json_with(arena, &outer, STR("a"), value);
	}
	struct event_intent intent = intent_of("10", value);
	check_as_foreign(build(&intent));
	struct json outer = json_object(arena, 0);
	intent = intent_of("10", json_with(arena, &outer, STR("a"), value));
	assert_refused(&intent, "event.nesting");
}

static void build__redacts__where_the_version_has_it(void **state)
{
	(void)state;
	static const char *const versions[] = {"1", "10", "11", "12"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		struct event_intent intent = intent_of(versions[i], parsed("{\"reason\":\"x\",\"z\":1}"));
		intent.type = STR("m.room.redaction");
		intent.redacts = STR("$target");
		const struct event *event = build(&intent);
		check_as_foreign(event);
		bool in_content = intent.version->redacts_in_content;
		assert_text(event->redacts, "$target");
		assert_int_equal(json_at(event->tree, "redacts") == NULL, in_content);
		assert_int_equal(json_at(event->content, "redacts") != NULL, in_content);
		assert_text(json_get_str(event->content, STR("reason")), "x");
	}
}

static void build__create_event_of_12__names_its_room(void **state)
{
	(void)state;
	struct event_intent intent = intent_of("12", parsed("{\"room_version\":\"12\"}"));
	intent.room_id = (struct room_id){0};
	intent.type = STR("m.room.create");
	intent.is_state = true;
	intent.prev_count = 0;
	intent.auth_count = 0;
	const struct event *event = build(&intent);
	check_as_foreign(event);
	assert_null(json_at(event->tree, "room_id"));
	assert_true(str_equals(event->room_id.s,
		str_printf(arena, "!%.*s", STR_ARG(str_slice(event->event_id.s, 1, SIZE_MAX)))));
}

static void build__versions_1_and_2__pairs_and_own_id(void **state)
{
	(void)state;
	struct event_intent intent = intent_of("2", text_content(1));
	const struct event *event = build(&intent);
	assert_text(event->event_id.s, "$new:a.example");
	assert_true(str_contains(event->raw, STR("\"event_id\":\"$new:a.example\"")));
	assert_true(str_contains(event->raw, STR("\"prev_events\":[[\"$0:a.example\",{}]]")));
	const struct str hash = event_reference_text(arena, event);
	assert_int_equal(hash.n, 43);
	intent.prev_hashes = &hash;
	const struct event *next = build(&intent);
	assert_true(str_contains(next->raw,
		str_printf(arena, "\"prev_events\":[[\"$0:a.example\",{\"sha256\":\"%.*s\"}]]",
			STR_ARG(hash))));
	intent = intent_of("3", text_content(1));
	intent.prev_hashes = &hash;
	event = build(&intent);
	assert_null(event_reference_text(arena, event).p);
	assert_true(str_contains(event->raw, STR("\"prev_events\":[\"$0:a.example\"]")));
	assert_null(json_at(event->tree, "event_id"));
}

/* Contents whose keys would upset a builder that looks for its own ones by text. */
static void build__keys_in_content__not_taken_for_the_events(void **state)
{
	(void)state;
	struct event_intent intent = intent_of("12",
		parsed("{\"type\":\"x\",\"signatures\":{\"a\":1},\"hashes\":[],\"unsigned\":{},"
			   "\"origin_server_ts\":\"\\\"type\\\":\",\"state_key\":{\"content\":{}}}"));
	check_as_foreign(build(&intent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build__every_version__others_accept),
		cmocka_unit_test(build__size__65536_bytes_are_the_last),
		cmocka_unit_test(build__keys_and_counts__last_good_first_bad),
		cmocka_unit_test(build__malformed_values__refused),
		cmocka_unit_test(build__nesting__100_levels_are_the_last),
		cmocka_unit_test(build__redacts__where_the_version_has_it),
		cmocka_unit_test(build__create_event_of_12__names_its_room),
		cmocka_unit_test(build__versions_1_and_2__pairs_and_own_id),
		cmocka_unit_test(build__keys_in_content__not_taken_for_the_events),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
