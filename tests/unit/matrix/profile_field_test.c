/*
 * Profile fields: names, values, the size of the whole.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/profile_field.h"

static struct str repeated(struct arena *arena, const char *unit, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < count; i++) {
		buf_add(&buf, str_of(unit));
	}
	return str_dup(arena, buf_str(&buf));
}

static void key__grammar__as_listed(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		bool allowed;
	} rows[] = {{"displayname", true}, {"avatar_url", true}, {"m.tz", true},
		{"org.example.pronouns", true}, {"org.example-x.y_2", true}, {"a", true}, {"", false},
		{"Displayname", false}, {"1a", false}, {"_a", false}, {".a", false}, {"a b", false},
		{"a/b", false}, {"\xc3\xa4", false}};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct field_error error = {.errcode = M_INVALID_PARAM};
		if (profile_key_check(str_of(rows[i].key), &error) != rows[i].allowed) {
			fail_msg("%s", rows[i].key);
		}
		assert_string_equal(error.errcode, M_INVALID_PARAM);
	}
	struct field_error error;
	assert_true(profile_key_check(repeated(arena, "a", 255), &error));
	assert_false(profile_key_check(repeated(arena, "a", 256), &error));
	assert_string_equal(error.errcode, M_KEY_TOO_LARGE);
}

static void body__values__as_listed(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		const char *body;
		const char *errcode; /* NULL: allowed */
	} rows[] = {
		{"displayname", "{'displayname':'Alice'}", NULL},
		{"displayname", "{'displayname':''}", NULL},
		{"displayname", "{'displayname':7}", M_INVALID_PARAM},
		{"displayname", "{'displayname':null}", M_INVALID_PARAM},
		{"displayname", "{'displayname':'a\\u0000b'}", M_INVALID_PARAM},
		{"displayname", "{'Displayname':'x'}", M_MISSING_PARAM},
		{"displayname", "{}", M_MISSING_PARAM},
		{"displayname", "[]", M_BAD_JSON},
		{"avatar_url", "{'avatar_url':'mxc://hs1/abc'}", NULL},
		{"avatar_url", "{'avatar_url':''}", NULL},
		{"avatar_url", "{'avatar_url':'https://hs1/abc'}", NULL},
		{"avatar_url", "{'avatar_url':[]}", M_INVALID_PARAM},
		{"m.tz", "{'m.tz':'Europe/London'}", NULL},
		{"m.tz", "{'m.tz':1}", M_INVALID_PARAM},
		{"org.x.y", "{'org.x.y':{'any':[1.5,null]}}", NULL},
		{"org.x.y", "{'org.x.y':null}", NULL},
		{"Org", "{'Org':1}", M_INVALID_PARAM},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct json *value = NULL;
		struct field_error error = {0};
		bool allowed = profile_body_read(str_of(rows[i].key), sample_json(arena, rows[i].body),
			&value, &error);
		if (allowed != (rows[i].errcode == NULL)) {
			fail_msg("%s", rows[i].body);
		}
		if (!allowed) {
			assert_string_equal(error.errcode, rows[i].errcode);
		} else {
			assert_non_null(value);
		}
	}
}

static void displayname__length__in_characters(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct field_error error;
	struct json name = json_string(repeated(arena, "\xc3\xa4", 256));
	assert_true(profile_value_check(STR("displayname"), &name, &error));
	name = json_string(repeated(arena, "\xc3\xa4", 257));
	assert_false(profile_value_check(STR("displayname"), &name, &error));
	struct json uri =
		json_string(str_printf(arena, "mxc://a/%.*s", STR_ARG(repeated(arena, "b", 1000))));
	assert_false(profile_value_check(STR("avatar_url"), &uri, &error));
	struct json empty = json_string(STR(""));
	assert_true(profile_value_is_unset(STR("displayname"), &empty));
	assert_true(profile_value_is_unset(STR("avatar_url"), &empty));
	assert_false(profile_value_is_unset(STR("m.tz"), &empty));
	assert_false(profile_value_is_unset(STR("displayname"), &name));
}

static void profile__size__under_64_kib(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct field_error error;
	size_t frame = STR("{\"a\":\"\"}").n;
	struct json profile = json_object(arena, 1);
	profile.members[0].key = STR("a");
	profile.members[0].value = json_string(repeated(arena, "x", PROFILE_MAX_BYTES - frame));
	profile.count = 1;
	assert_true(profile_size_check(&profile, &error));
	profile.members[0].value = json_string(repeated(arena, "x", PROFILE_MAX_BYTES - frame + 1));
	assert_false(profile_size_check(&profile, &error));
	assert_string_equal(error.errcode, M_PROFILE_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key__grammar__as_listed),
		cmocka_unit_test(body__values__as_listed),
		cmocka_unit_test(displayname__length__in_characters),
		cmocka_unit_test(profile__size__under_64_kib),
	};
	return RUN_ALL(tests);
}
