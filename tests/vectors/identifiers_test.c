/*
 * identifiers.json: names and ids that are valid or not, and the limits of sizes.
 */
#include "tests/vectors/spec_vectors.h"

#include "matrix/event.h"

static bool is_server_name(struct str text)
{
	struct server_name out;
	return server_name_parse(text, &out);
}

static bool is_user_id(struct str text)
{
	struct user_id out;
	return user_id_parse(text, &out);
}

static bool is_new_user_id(struct str text)
{
	struct user_id out;
	return user_id_parse(text, &out) && localpart_is_valid_for_new_user(user_id_localpart(out));
}

static bool is_historical_only(struct str text)
{
	return is_user_id(text) && !is_new_user_id(text);
}

static bool is_alias(struct str text)
{
	struct room_alias out;
	return room_alias_parse(text, &out);
}

static bool is_room_id(struct str text)
{
	struct room_id out;
	return room_id_parse(text, &out);
}

static void check_all(const struct json *group, const char *list, bool (*is_valid)(struct str text),
	bool expected)
{
	const struct json *values = vectors_get(group, list);
	assert_true(values->count > 0);
	for (size_t i = 0; i < values->count; i++) {
		const struct json *value = &values->items[i];
		struct str text =
			value->type == JSON_STRING ? json_text(value) : vectors_str(value, "value");
		if (is_valid(text) != expected) {
			fail_msg("%s: %.*s", list, STR_ARG(text));
		}
	}
}

static void parse__every_case__as_published(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *file = vectors_read(arena, "identifiers.json");
	const struct json *users = vectors_get(file, "user_ids");
	check_all(vectors_get(file, "server_names"), "valid", is_server_name, true);
	check_all(vectors_get(file, "server_names"), "invalid", is_server_name, false);
	check_all(users, "valid_new", is_new_user_id, true);
	check_all(users, "valid_historical_only", is_historical_only, true);
	check_all(users, "invalid", is_user_id, false);
	check_all(vectors_get(file, "room_aliases"), "valid", is_alias, true);
	check_all(vectors_get(file, "room_aliases"), "invalid", is_alias, false);
	check_all(vectors_get(file, "room_ids"), "valid", is_room_id, true);
}

static void limits__as_published__constants_are_those(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *limits = vectors_get(vectors_read(arena, "identifiers.json"), "limits");
	assert_int_equal(vectors_get(limits, "user_id_bytes")->integer, ID_MAX_BYTES);
	assert_int_equal(vectors_get(limits, "room_id_bytes")->integer, ID_MAX_BYTES);
	assert_int_equal(vectors_get(limits, "room_alias_bytes")->integer, ID_MAX_BYTES);
	assert_int_equal(vectors_get(limits, "event_id_bytes")->integer, ID_MAX_BYTES);
	assert_int_equal(vectors_get(limits, "event_type_bytes")->integer, EVENT_MAX_KEY_BYTES);
	assert_int_equal(vectors_get(limits, "state_key_bytes")->integer, EVENT_MAX_KEY_BYTES);
	assert_int_equal(vectors_get(limits, "event_json_bytes")->integer, EVENT_MAX_BYTES);
	assert_int_equal(vectors_get(limits, "auth_events")->integer, EVENT_MAX_AUTH_EVENTS);
	assert_int_equal(vectors_get(limits, "prev_events")->integer, EVENT_MAX_PREV_EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__every_case__as_published),
		cmocka_unit_test(limits__as_published__constants_are_those),
	};
	return RUN_ALL(tests);
}
