/*
 * redaction.json: per room version the keys that stay. Events are made that hold every key that any version
 * keeps, and some that none does.
 */
#include "tests/vectors/spec_vectors.h"

#include "matrix/redact.h"

static struct arena *arena;

static bool lists(const struct json *list, struct str key)
{
	for (size_t i = 0; i < list->count; i++) {
		if (str_equals(json_text(&list->items[i]), key)) {
			return true;
		}
	}
	return false;
}

/* Every key that stands in a list of any version, once, and two that stand in none. */
static struct json every_key(const struct json *versions, const char *group, struct str type)
{
	struct json keys = json_object(arena, 0);
	for (size_t v = 0; v < versions->count; v++) {
		const struct json *list = vectors_get(&versions->members[v].value, group);
		list = type.p != NULL ? json_get(list, type) : list;
		for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
			if (str_find_byte(json_text(&list->items[i]), '.') == SIZE_MAX) {
				keys = json_with(arena, &keys, json_text(&list->items[i]), json_integer(1));
			}
		}
	}
	keys = json_with(arena, &keys, STR("unsigned"), json_integer(1));
	return json_with(arena, &keys, STR("org.example.other"), json_integer(1));
}

static void redact__every_top_level_key__kept_as_listed(void **state)
{
	(void)state;
	arena = arena_create();
	const struct json *versions = vectors_get(vectors_read(arena, "redaction.json"), "versions");
	struct json event = every_key(versions, "top_level", str_from(NULL, 0));
	for (size_t v = 0; v < versions->count; v++) {
		const struct room_version *version = room_version_find(versions->members[v].key);
		const struct json *kept = vectors_get(&versions->members[v].value, "top_level");
		struct json redacted = redact_event(arena, version, &event);
		assert_int_equal(redacted.count, kept->count);
		for (size_t i = 0; i < redacted.count; i++) {
			assert_true(lists(kept, redacted.members[i].key));
		}
	}
	arena_destroy(arena);
}

static const char *const types[] = {"m.room.member", "m.room.create", "m.room.join_rules",
	"m.room.power_levels", "m.room.history_visibility", "m.room.aliases", "m.room.redaction",
	"m.room.message", "m.room.name"};

static void check_content(const struct json *versions, size_t v, struct str type)
{
	const struct room_version *version = room_version_find(versions->members[v].key);
	const struct json *kept = json_get(vectors_get(&versions->members[v].value, "content"), type);
	struct json content = every_key(versions, "content", type);
	struct json event = json_object(arena, 0);
	event = json_with(arena, &event, STR("type"), json_string(type));
	event = json_with(arena, &event, STR("content"), content);
	struct json redacted = redact_event(arena, version, &event);
	const struct json *is = json_at(&redacted, "content");
	for (size_t i = 0; i < content.count; i++) {
		struct str key = content.members[i].key;
		bool expected = json_is(kept, JSON_STRING) || (kept != NULL && lists(kept, key));
		if ((json_get(is, key) != NULL) != expected) {
			fail_msg("version %.*s, %.*s, %.*s", STR_ARG(version->id), STR_ARG(type), STR_ARG(key));
		}
	}
}

static void redact__every_content_key__kept_as_listed(void **state)
{
	(void)state;
	arena = arena_create();
	const struct json *versions = vectors_get(vectors_read(arena, "redaction.json"), "versions");
	assert_int_equal(versions->count, 12);
	for (size_t v = 0; v < versions->count; v++) {
		for (size_t i = 0; i < COUNT_OF(types); i++) {
			check_content(versions, v, str_of(types[i]));
		}
	}
	arena_destroy(arena);
}

/* "third_party_invite.signed" in the lists. */
static void redact__third_party_invite__signed_stays_as_listed(void **state)
{
	(void)state;
	arena = arena_create();
	const struct json *versions = vectors_get(vectors_read(arena, "redaction.json"), "versions");
	struct json event;
	assert_int_equal(json_parse(arena,
						 STR("{\"type\":\"m.room.member\",\"content\":{\"membership\":\"invite\","
							 "\"third_party_invite\":{\"display_name\":\"x\",\"signed\":{"
							 "\"token\":\"t\"}}}}"),
						 NULL, &event, NULL),
		JSON_OK);
	for (size_t v = 0; v < versions->count; v++) {
		const struct room_version *version = room_version_find(versions->members[v].key);
		const struct json *kept =
			vectors_get(vectors_get(&versions->members[v].value, "content"), "m.room.member");
		struct json redacted = redact_event(arena, version, &event);
		const struct json *invite = json_at(json_at(&redacted, "content"), "third_party_invite");
		if (lists(kept, STR("third_party_invite.signed"))) {
			assert_int_equal(invite->count, 1);
			assert_text(json_get_str(json_at(invite, "signed"), STR("token")), "t");
		} else {
			assert_null(invite);
		}
	}
	arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redact__every_top_level_key__kept_as_listed),
		cmocka_unit_test(redact__every_content_key__kept_as_listed),
		cmocka_unit_test(redact__third_party_invite__signed_stays_as_listed),
	};
	return RUN_ALL(tests);
}
