/*
 * room_versions.json: what holds in which version, against the table.
 */
#include "tests/vectors/spec_vectors.h"

static void check_flag(const struct json *row, const char *key, bool is)
{
	const struct json *expected = vectors_get(row, key);
	assert_int_equal(expected->type, JSON_BOOL);
	if (expected->boolean != is) {
		fail_msg("%s", key);
	}
}

static void check_forms(const struct json *row, const struct room_version *version)
{
	static const char *const encodings[] = {
		[EVENT_ID_EXPLICIT] = "in the event, $opaque:server",
		[EVENT_ID_STANDARD] = "$ + unpadded base64 of reference hash",
		[EVENT_ID_URL] = "$ + url-safe unpadded base64 of reference hash",
	};
	static const char *const formats[] = {
		[EVENT_FORMAT_V1] = "[[event_id, {sha256}]]",
		[EVENT_FORMAT_V3] = "[event_id]",
	};
	static const char *const resolutions[] =
		{[STATE_RES_V1] = "v1", [STATE_RES_V2] = "v2", [STATE_RES_V2_1] = "v2.1"};
	assert_same_text(vectors_str(row, "event_id"), str_of(encodings[version->event_id_encoding]));
	assert_same_text(vectors_str(row, "auth_prev_events"), str_of(formats[version->event_format]));
	assert_same_text(vectors_str(row, "state_resolution"),
		str_of(resolutions[version->state_resolution]));
	bool has_server = str_equals(vectors_str(row, "room_id"), STR("!opaque:server"));
	assert_int_equal(has_server, !version->room_id_is_create_hash);
}

static void table__every_version__as_published(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *versions =
		vectors_get(vectors_read(arena, "room_versions.json"), "versions");
	size_t known;
	const struct room_version *all = room_versions_all(&known);
	assert_int_equal(known, versions->count);
	for (size_t i = 0; i < known; i++) {
		const struct room_version *version = &all[i];
		const struct json *row = &versions->members[i].value;
		assert_same_text(version->id, versions->members[i].key);
		assert_ptr_equal(room_version_find(version->id), version);
		assert_true(version->is_stable);
		check_forms(row, version);
		check_flag(row, "strict_canonical_json", version->strict_canonical_json);
		check_flag(row, "signing_key_validity_enforced", version->enforces_key_validity);
		check_flag(row, "special_case_aliases_auth", version->special_aliases_auth);
		check_flag(row, "knock_join_rule", version->allows_knocking);
		check_flag(row, "restricted_join_rule", version->allows_restricted);
		check_flag(row, "knock_restricted_join_rule", version->allows_knock_restricted);
		check_flag(row, "integer_power_levels_only", version->strict_power_levels);
		check_flag(row, "redacts_in_content", version->redacts_in_content);
		check_flag(row, "creator_field_in_create_content", !version->creator_is_sender);
		check_flag(row, "creators_have_infinite_power", version->privileged_creators);
	}
}

static void find__unknown_versions__none(void **state)
{
	(void)state;
	assert_null(room_version_find(STR("")));
	assert_null(room_version_find(STR("0")));
	assert_null(room_version_find(STR("13")));
	assert_null(room_version_find(STR("1 ")));
	assert_null(room_version_find(STR("org.example.1")));
	assert_null(room_version_find(str_from(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table__every_version__as_published),
		cmocka_unit_test(find__unknown_versions__none),
	};
	return RUN_ALL(tests);
}
