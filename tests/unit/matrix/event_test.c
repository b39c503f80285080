/*
 * event_parse(): one good event, and every way in which each key can be wrong; limits at their last good and
 * first bad value; what the view says.
 */
#include "tests/unit/base/check.h"

#include "base/utf8.h"
#include "matrix/canonical.h"
#include "matrix/event.h"
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

static const struct room_version *version_of(const char *id)
{
	return room_version_find(str_of(id));
}

/* JSON with ' for ". */
static struct json json_of(const char *text)
{
	char *copy = arena_dup(arena, text, strlen(text));
	for (char *c = copy; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	struct json value;
	const struct json_limits limits = {.max_depth = 1000};
	if (json_parse(arena, str_of(copy), &limits, &value, NULL) != JSON_OK) {
		fail_msg("not JSON: %s", copy);
	}
	return value;
}

/* A good message of versions 3 to 11, with what versions 1 and 2 want beside. */
static struct json good_event(const struct room_version *version)
{
	bool is_old = version->event_format == EVENT_FORMAT_V1;
	struct json event =
		json_of("{'type':'m.room.message','sender':'@a:a.example','content':{'body':'x'},"
				"'origin_server_ts':1700000000000,'depth':5,'hashes':{'sha256':'x'},"
				"'signatures':{'a.example':{'ed25519:1':'x'}},'unsigned':{'age':1.5}}");
	struct json ids = is_old ? json_of("[['$p:a.example',{'sha256':'x'}]]") : json_of("['$p']");
	event = json_with(arena, &event, STR("prev_events"), ids);
	event = json_with(arena, &event, STR("auth_events"), ids);
	event = json_with(arena, &event, STR("room_id"),
		json_string(version->room_id_is_create_hash ? STR("!r") : STR("!r:a.example")));
	return is_old ? json_with(arena, &event, STR("event_id"), json_string(STR("$e:a.example")))
				  : event;
}

/* NULL when allowed, else the rule. */
static const char *rule_of(const struct room_version *version, const struct json *json)
{
	struct event *event = NULL;
	struct verdict verdict = event_parse(arena, version, json, &event);
	assert_int_equal(verdict.allowed, event != NULL);
	assert_int_equal(verdict.allowed, verdict.rule == NULL);
	return verdict.rule;
}

static const char *rule_with(const struct room_version *version, const char *key, struct json value)
{
	struct json good = good_event(version);
	struct json event = json_with(arena, &good, str_of(key), value);
	return rule_of(version, &event);
}

static void assert_rule(const char *is, const char *expected, const char *what)
{
	if (is == NULL || expected == NULL ? is != expected : strcmp(is, expected) != 0) {
		fail_msg("%s: %s, expected %s", what, is != NULL ? is : "allowed",
			expected != NULL ? expected : "allowed");
	}
}

static void good__every_version__allowed(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *all = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		struct json event = good_event(&all[i]);
		assert_rule(rule_of(&all[i], &event), NULL, "good event");
	}
}

static void keys__each_missing__refused_by_name(void **state)
{
	(void)state;
	static const char *const required[] = {"type", "sender", "content", "origin_server_ts", "depth",
		"hashes", "signatures", "prev_events", "auth_events", "room_id"};
	static const char *const versions[] = {"1", "3", "6", "11", "12"};
	for (size_t v = 0; v < COUNT_OF(versions); v++) {
		struct json good = good_event(version_of(versions[v]));
		for (size_t i = 0; i < COUNT_OF(required); i++) {
			struct json event = json_without(arena, &good, str_of(required[i]));
			assert_rule(rule_of(version_of(versions[v]), &event),
				arena_printf(arena, "event.%s", required[i]), required[i]);
		}
	}
	struct json good = good_event(version_of("2"));
	struct json event = json_without(arena, &good, STR("event_id"));
	assert_rule(rule_of(version_of("2"), &event), "event.event_id", "event_id");
}

/* Values of all types; `type` marks the ones that a key takes. */
static void keys__each_wrong_type__refused_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		enum json_type type;
	} keys[] = {{"type", JSON_STRING}, {"sender", JSON_STRING}, {"content", JSON_OBJECT},
		{"origin_server_ts", JSON_INT}, {"depth", JSON_INT}, {"hashes", JSON_OBJECT},
		{"signatures", JSON_OBJECT}, {"prev_events", JSON_ARRAY}, {"auth_events", JSON_ARRAY},
		{"room_id", JSON_STRING}, {"state_key", JSON_STRING}, {"redacts", JSON_STRING},
		{"event_id", JSON_STRING}};
	static const char *const values[] = {"null", "true", "1", "1.5", "'x'", "[1]", "{'x':1}"};
	const struct room_version *version = version_of("1");
	for (size_t k = 0; k < COUNT_OF(keys); k++) {
		for (size_t i = 0; i < COUNT_OF(values); i++) {
			struct json value = json_of(values[i]);
			if (value.type != keys[k].type) {
				assert_rule(rule_with(version, keys[k].key, value),
					arena_printf(arena, "event.%s", keys[k].key), values[i]);
			}
		}
	}
	assert_rule(rule_with(version_of("11"), "redacts", json_integer(1)), NULL, "redacts, 11");
	assert_rule(rule_with(version_of("11"), "event_id", json_integer(1)), NULL, "event_id, 11");
	assert_rule(rule_with(version_of("11"), "unsigned", json_integer(1)), NULL, "unsigned");
}

static void shape__no_object__refused(void **state)
{
	(void)state;
	static const char *const values[] = {"null", "[]", "[1]", "'x'", "1", "true"};
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		struct json value = json_of(values[i]);
		assert_rule(rule_of(version_of("10"), &value), "event.shape", values[i]);
	}
	assert_rule(rule_of(version_of("10"), NULL), "event.shape", "NULL");
}

static void values__malformed_inside__refused_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		const char *key;
		const char *value;
		bool is_good;
	} cases[] = {
		{"10", "sender", "'alice'", false},
		{"10", "sender", "'@alice'", false},
		{"10", "sender", "'@a\\u0000:a.example'", false},
		{"10", "sender", "'@A b:a.example'", true},
		{"10", "sender", "'@:a.example'", true},
		{"10", "room_id", "'!r'", false},
		{"10", "room_id", "'r:a.example'", false},
		{"12", "room_id", "'!r'", true},
		{"12", "room_id", "''", false},
		{"10", "prev_events", "[]", true},
		{"10", "prev_events", "['p']", false},
		{"10", "prev_events", "[['$p',{}]]", false},
		{"10", "prev_events", "['$p',null]", false},
		{"10", "auth_events", "[]", true},
		{"10", "auth_events", "['']", false},
		{"10", "auth_events", "[{}]", false},
		{"1", "prev_events", "[['$p:a.example',{}]]", true},
		{"1", "prev_events", "['$p:a.example']", false},
		{"1", "prev_events", "[['$p:a.example']]", false},
		{"1", "prev_events", "[['$p:a.example','x']]", false},
		{"1", "prev_events", "[['$p:a.example',{},{}]]", false},
		{"1", "prev_events", "[[{},'$p:a.example']]", false},
		{"1", "auth_events", "[['p',{}]]", false},
		{"1", "event_id", "'$e'", false},
		{"1", "event_id", "'e:a.example'", false},
		{"10", "hashes", "{}", false},
		{"10", "hashes", "{'sha256':1}", false},
		{"10", "hashes", "{'sha256':'x','sha512':1}", true},
		{"10", "signatures", "{}", true},
		{"10", "signatures", "{'a.example':'x'}", false},
		{"10", "signatures", "{'a.example':{'ed25519:1':1}}", false},
		{"10", "signatures", "{'a.example':{}}", true},
		{"10", "origin_server_ts", "-1", true},
		{"10", "origin_server_ts", "0", true},
		{"1", "origin_server_ts", "1.0", false},
		{"10", "state_key", "''", true},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *expected =
			cases[i].is_good ? NULL : arena_printf(arena, "event.%s", cases[i].key);
		assert_rule(rule_with(version_of(cases[i].version), cases[i].key, json_of(cases[i].value)),
			expected, arena_printf(arena, "%s %s", cases[i].key, cases[i].value));
	}
}

static void sec_5_1__depth_extremes__as_the_version_allows(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		const char *lenient; /* versions 1 to 5 */
		const char *strict;
	} cases[] = {
		{"0", NULL, NULL},
		{"1", NULL, NULL},
		{"9007199254740991", NULL, NULL},
		{"9007199254740992", NULL, "event.canonical"},
		{"9223372036854775807", NULL, "event.canonical"},
		{"9223372036854775808", "event.depth", "event.canonical"},
		{"-1", "event.depth", "event.depth"},
		{"-9223372036854775808", "event.depth", "event.canonical"},
		{"1.0", "event.depth", "event.canonical"},
		{"1e3", "event.depth", "event.canonical"},
		{"-0", "event.depth", "event.canonical"},
		{"'1'", "event.depth", "event.depth"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json value = json_of(cases[i].value);
		assert_rule(rule_with(version_of("5"), "depth", value), cases[i].lenient, cases[i].value);
		assert_rule(rule_with(version_of("6"), "depth", value), cases[i].strict, cases[i].value);
	}
}

static void sec_5_40__numbers_in_content__strict_from_version_6(void **state)
{
	(void)state;
	static const char *const values[] = {"{'a':1.5}", "{'a':[{'b':1e2}]}", "{'a':-0}",
		"{'a':9007199254740992}", "{'a':123456789012345678901234567890}"};
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		assert_rule(rule_with(version_of("5"), "content", json_of(values[i])), NULL, values[i]);
		assert_rule(rule_with(version_of("6"), "content", json_of(values[i])), "event.canonical",
			values[i]);
		assert_rule(rule_with(version_of("12"), "org.example.x", json_of(values[i])),
			"event.canonical", values[i]);
		assert_rule(rule_with(version_of("12"), "unsigned", json_of(values[i])), NULL, values[i]);
	}
}

static struct str letters(size_t n)
{
	char *text = arena_alloc(arena, n + 1);
	memset(text, 'x', n);
	return str_from(text, n);
}

static void keys__255_and_256_bytes__last_and_first(void **state)
{
	(void)state;
	const struct room_version *version = version_of("10");
	assert_rule(rule_with(version, "type", json_string(letters(255))), NULL, "type");
	assert_rule(rule_with(version, "type", json_string(letters(256))), "event.size.type", "type");
	assert_rule(rule_with(version, "state_key", json_string(letters(255))), NULL, "state_key");
	assert_rule(rule_with(version, "state_key", json_string(letters(256))), "event.size.state_key",
		"state_key");
	/* Bytes, not characters, from version 11 on. */
	const struct room_version *strict = version_of("11");
	struct str umlauts = str_printf(arena, "%s%s", "xxxxxxxxxxxxxxx",
		"éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé"
		"éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé");
	assert_int_equal(umlauts.n, 255);
	assert_rule(rule_with(strict, "type", json_string(umlauts)), NULL, "type");
	umlauts = str_printf(arena, "%.*sx", STR_ARG(umlauts));
	assert_rule(rule_with(strict, "type", json_string(umlauts)), "event.size.type", "type");
	assert_rule(rule_with(version, "type", json_string(umlauts)), NULL, "type");
	umlauts = str_printf(arena, "%.*s%.*s", STR_ARG(umlauts), STR_ARG(letters(119)));
	assert_int_equal(utf8_length(umlauts), 255);
	assert_rule(rule_with(version, "type", json_string(umlauts)), NULL, "type");
	umlauts = str_printf(arena, "%.*sx", STR_ARG(umlauts));
	assert_rule(rule_with(version, "type", json_string(umlauts)), "event.size.type", "type");
	struct str user = str_printf(arena, "@%.*s:a.example", STR_ARG(letters(244)));
	assert_int_equal(user.n, 255);
	assert_rule(rule_with(version, "sender", json_string(user)), NULL, "sender");
	user = str_printf(arena, "@%.*s:a.example", STR_ARG(letters(245)));
	assert_rule(rule_with(version, "sender", json_string(user)), "event.sender", "sender");
}

/* Canonical text of `n` bytes, by way of the body's length. */
static struct json event_of_size(const struct room_version *version, size_t n)
{
	struct json event = good_event(version);
	event = json_without(arena, &event, STR("unsigned"));
	size_t least = canonical_text(arena, &event).n - 1;
	struct json content = json_object(arena, 0);
	content = json_with(arena, &content, STR("body"), json_string(letters(n - least)));
	return json_with(arena, &event, STR("content"), content);
}

static void sec_5_40__size_65536_bytes__last_that_fits(void **state)
{
	(void)state;
	static const char *const versions[] = {"1", "10", "12"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		const struct room_version *version = version_of(versions[i]);
		struct json event = event_of_size(version, EVENT_MAX_BYTES);
		assert_int_equal(canonical_text(arena, &event).n, EVENT_MAX_BYTES);
		assert_rule(rule_of(version, &event), NULL, "65536");
		/* What is not part of the event does not count. */
		struct json with_unsigned =
			json_with(arena, &event, STR("unsigned"), json_string(letters(5000)));
		assert_rule(rule_of(version, &with_unsigned), NULL, "unsigned");
		event = event_of_size(version, EVENT_MAX_BYTES + 1);
		assert_rule(rule_of(version, &event), "event.size", "65537");
	}
}

static struct json many_ids(size_t count)
{
	struct json *items = ARENA_NEW_ARRAY(arena, struct json, count);
	for (size_t i = 0; i < count; i++) {
		items[i] = json_string(str_printf(arena, "$%zu", i));
	}
	return json_array_of(items, count);
}

static void edges__20_and_10__last_that_fit(void **state)
{
	(void)state;
	const struct room_version *version = version_of("10");
	assert_rule(rule_with(version, "prev_events", many_ids(20)), NULL, "20");
	assert_rule(rule_with(version, "prev_events", many_ids(21)), "event.prev_events", "21");
	assert_rule(rule_with(version, "prev_events", many_ids(1000)), "event.prev_events", "1000");
	assert_rule(rule_with(version, "auth_events", many_ids(10)), NULL, "10");
	assert_rule(rule_with(version, "auth_events", many_ids(11)), "event.auth_events", "11");
}

static struct json nested_content(size_t levels)
{
	struct json value = json_object(arena, 0);
	for (size_t i = 1; i < levels; i++) {
		struct json outer = json_object(arena, 0);
		value = json_with(arena, &outer, STR("a"), value);
	}
	return value;
}

static void nesting__100_levels__last_that_fit_and_load(void **state)
{
	(void)state;
	const struct room_version *version = version_of("10");
	struct json good = good_event(version);
	struct json event = json_with(arena, &good, STR("content"), nested_content(99));
	struct event *parsed = NULL;
	assert_true(event_parse(arena, version, &event, &parsed).allowed);
	const struct event *loaded =
		event_load(arena, version, parsed->raw, parsed->event_id, parsed->room_id);
	assert_true(json_equals(loaded->content, parsed->content));
	assert_rule(rule_with(version, "content", nested_content(100)), "event.nesting", "100");
	assert_rule(rule_with(version, "content", nested_content(5000)), "event.nesting", "5000");
}

/* Texts with escapes view no text, in every place where one may stand. */
static void compact__events_of_all_versions__the_same_when_the_other_is_gone(void **state)
{
	(void)state;
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		const struct room_version *version = &versions[i];
		struct json json = good_event(version);
		json = json_with(arena, &json, STR("type"), json_string(STR("a\"b")));
		json = json_with(arena, &json, STR("state_key"), json_string(STR("\n")));
		json = json_with(arena, &json, STR("content"),
			json_of("{'a\\n':['\\\\',{'b':'c','d':[]},1.5],'e':{},'membership':'join'}"));
		struct event *parsed = NULL;
		/* Versions from 6 on have no 1.5. */
		if (!event_parse(arena, version, &json, &parsed).allowed) {
			json = json_with(arena, &json, STR("content"), json_of("{'a\\n':['\\\\',2],'e':{}}"));
			assert_true(event_parse(arena, version, &json, &parsed).allowed);
		}
		struct arena *other = arena_create();
		struct event *loaded = event_load(other, version, str_dup(other, parsed->raw),
			(struct event_id){str_dup(other, parsed->event_id.s)},
			(struct room_id){str_dup(other, parsed->room_id.s)});
		struct event *compact = event_compact(arena, loaded);
		arena_destroy(other);
		assert_null(compact->tree);
		assert_true(str_equals(compact->raw, parsed->raw));
		assert_true(str_equals(compact->event_id.s, parsed->event_id.s));
		assert_true(str_equals(compact->room_id.s, parsed->room_id.s));
		assert_true(str_equals(compact->sender.s, parsed->sender.s));
		assert_text(compact->type, "a\"b");
		assert_text(compact->state_key, "\n");
		assert_int_equal(compact->prev_count, parsed->prev_count);
		for (size_t k = 0; k < parsed->prev_count; k++) {
			assert_true(str_equals(compact->prev_events[k].s, parsed->prev_events[k].s));
		}
		assert_int_equal(compact->auth_count, parsed->auth_count);
		for (size_t k = 0; k < parsed->auth_count; k++) {
			assert_true(str_equals(compact->auth_events[k].s, parsed->auth_events[k].s));
		}
		assert_true(json_equals(compact->content, parsed->content));
		assert_true(
			str_equals(canonical_text(arena, compact->content), json_raw(compact->content)));
		assert_true(str_equals(canonical_text(arena, event_json(arena, compact)), parsed->raw));
	}
}

static void view__event_id_and_unsigned__left_out_from_version_3(void **state)
{
	(void)state;
	const struct room_version *version = version_of("4");
	struct json good = good_event(version);
	struct event *plain = NULL;
	struct event *sent = NULL;
	assert_true(event_parse(arena, version, &good, &plain).allowed);
	struct json with_id = json_with(arena, &good, STR("event_id"), json_string(STR("$forged")));
	assert_true(event_parse(arena, version, &with_id, &sent).allowed);
	assert_true(str_equals(plain->event_id.s, sent->event_id.s));
	assert_true(str_equals(plain->raw, sent->raw));
	assert_null(json_at(sent->tree, "event_id"));
	assert_null(json_at(sent->tree, "unsigned"));
	assert_int_equal(plain->event_id.s.n, 44);
	assert_true(str_equals(canonical_text(arena, sent->tree), sent->raw));
}

static void view__redacted__same_event_id(void **state)
{
	(void)state;
	static const char *const versions[] = {"3", "4", "6", "11", "12"};
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		const struct room_version *version = version_of(versions[i]);
		struct json good = good_event(version);
		struct json redacted = redact_event(arena, version, &good);
		struct event *whole = NULL;
		struct event *rest = NULL;
		assert_true(event_parse(arena, version, &good, &whole).allowed);
		assert_true(event_parse(arena, version, &redacted, &rest).allowed);
		assert_true(str_equals(whole->event_id.s, rest->event_id.s));
		assert_int_equal(rest->content->count, 0);
	}
}

static void view__create_event_of_12__room_from_its_id(void **state)
{
	(void)state;
	const struct room_version *version = version_of("12");
	struct json event = good_event(version);
	event = json_with(arena, &event, STR("type"), json_string(STR("m.room.create")));
	struct json roomless = json_without(arena, &event, STR("room_id"));
	assert_rule(rule_of(version, &roomless), "event.room_id", "no state key");
	roomless = json_with(arena, &roomless, STR("state_key"), json_string(STR("x")));
	assert_rule(rule_of(version, &roomless), "event.room_id", "other state key");
	roomless = json_with(arena, &roomless, STR("state_key"), json_string(STR("")));
	struct event *create = NULL;
	assert_true(event_parse(arena, version, &roomless, &create).allowed);
	assert_int_equal(create->room_id.s.p[0], '!');
	assert_true(str_equals(str_slice(create->room_id.s, 1, SIZE_MAX),
		str_slice(create->event_id.s, 1, SIZE_MAX)));
	/* With a room id it parses, and the authorisation rules refuse it. */
	event = json_with(arena, &event, STR("state_key"), json_string(STR("")));
	assert_rule(rule_of(version, &event), NULL, "room_id");
	assert_rule(rule_of(version_of("11"), &roomless), "event.room_id", "version 11");
}

static struct str redacts_of(const char *version, const char *type)
{
	struct json event = good_event(version_of(version));
	event = json_with(arena, &event, STR("type"), json_string(str_of(type)));
	event = json_with(arena, &event, STR("redacts"), json_string(STR("$top")));
	event = json_with(arena, &event, STR("content"), json_of("{'redacts':'$content'}"));
	struct event *parsed = NULL;
	assert_true(event_parse(arena, version_of(version), &event, &parsed).allowed);
	const struct event *loaded =
		event_load(arena, version_of(version), parsed->raw, parsed->event_id, parsed->room_id);
	assert_true(str_equals(loaded->redacts, parsed->redacts));
	return parsed->redacts;
}

static void view__redacts__where_the_version_has_it(void **state)
{
	(void)state;
	assert_text(redacts_of("1", "m.room.redaction"), "$top");
	assert_text(redacts_of("10", "m.room.redaction"), "$top");
	assert_text(redacts_of("11", "m.room.redaction"), "$content");
	assert_text(redacts_of("12", "m.room.redaction"), "$content");
	assert_null(redacts_of("10", "m.room.message").p);
	assert_null(redacts_of("12", "m.room.message").p);
}

static void questions__state_and_membership__answered(void **state)
{
	(void)state;
	const struct room_version *version = version_of("10");
	struct json json = good_event(version);
	struct event *event = NULL;
	assert_true(event_parse(arena, version, &json, &event).allowed);
	assert_false(event_is(event, STR("m.room.message"), STR("")));
	assert_text(event_membership(event), "");
	json = json_with(arena, &json, STR("state_key"), json_string(STR("k")));
	json = json_with(arena, &json, STR("content"), json_of("{'membership':'join'}"));
	assert_true(event_parse(arena, version, &json, &event).allowed);
	assert_true(event_is(event, STR("m.room.message"), STR("k")));
	assert_false(event_is(event, STR("m.room.message"), STR("")));
	assert_false(event_is(event, STR("m.room.member"), STR("k")));
	assert_text(event_membership(event), "join");
	json = json_with(arena, &json, STR("content"), json_of("{'membership':1}"));
	assert_true(event_parse(arena, version, &json, &event).allowed);
	assert_text(event_membership(event), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good__every_version__allowed),
		cmocka_unit_test(keys__each_missing__refused_by_name),
		cmocka_unit_test(keys__each_wrong_type__refused_by_name),
		cmocka_unit_test(shape__no_object__refused),
		cmocka_unit_test(values__malformed_inside__refused_by_name),
		cmocka_unit_test(sec_5_1__depth_extremes__as_the_version_allows),
		cmocka_unit_test(sec_5_40__numbers_in_content__strict_from_version_6),
		cmocka_unit_test(keys__255_and_256_bytes__last_and_first),
		cmocka_unit_test(sec_5_40__size_65536_bytes__last_that_fits),
		cmocka_unit_test(edges__20_and_10__last_that_fit),
		cmocka_unit_test(nesting__100_levels__last_that_fit_and_load),
		cmocka_unit_test(compact__events_of_all_versions__the_same_when_the_other_is_gone),
		cmocka_unit_test(view__event_id_and_unsigned__left_out_from_version_3),
		cmocka_unit_test(view__redacted__same_event_id),
		cmocka_unit_test(view__create_event_of_12__room_from_its_id),
		cmocka_unit_test(view__redacts__where_the_version_has_it),
		cmocka_unit_test(questions__state_and_membership__answered),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
