/*
 * Names and values of profile fields come from users and are shown to everybody who shares a room,
 * so they are checked where they are set. Lengths of display names are those that other homeservers
 * enforce.
 */
#include "matrix/profile_field.h"

#include "base/utf8.h"
#include "matrix/canonical.h"
#include "matrix/errcode.h"

/* Whether a text is a Common Namespaced Identifier: [a-z][a-z0-9._-]*, 1 to 255 bytes. */
static bool is_namespaced(struct str text)
{
	if (text.n == 0 || text.n > PROFILE_MAX_KEY_BYTES || text.p[0] < 'a' || text.p[0] > 'z') {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
				c == '.')) {
			return false;
		}
	}
	return true;
}

bool profile_key_check(struct str key, struct field_error *out_error)
{
	if (key.n > PROFILE_MAX_KEY_BYTES) {
		return field_fail(out_error, M_KEY_TOO_LARGE, STR("keyName"), "is longer than 255 bytes");
	}
	if (!is_namespaced(key)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("keyName"),
			"must start with a-z and contain only a-z, 0-9, '-', '_' and '.'");
	}
	return true;
}

static bool check_displayname(const struct json *value, struct field_error *out_error)
{
	struct str field = STR("displayname");
	if (value->type != JSON_STRING) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be a string");
	}
	if (utf8_length(json_text(value)) > PROFILE_MAX_DISPLAYNAME_CHARS) {
		return field_fail(out_error, M_INVALID_PARAM, field, "is longer than 256 characters");
	}
	if (str_find_byte(json_text(value), '\0') != SIZE_MAX) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must not contain NUL");
	}
	return true;
}

static bool check_avatar(const struct json *value, struct field_error *out_error)
{
	struct str field = STR("avatar_url");
	if (value->type != JSON_STRING) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be a string");
	}
	if (json_text(value).n > PROFILE_MAX_URI_BYTES) {
		return field_fail(out_error, M_INVALID_PARAM, field, "is longer than 1000 bytes");
	}
	return true;
}

bool profile_value_check(struct str key, const struct json *value, struct field_error *out_error)
{
	if (str_equals(key, STR("displayname"))) {
		return check_displayname(value, out_error);
	}
	if (str_equals(key, STR("avatar_url"))) {
		return check_avatar(value, out_error);
	}
	if (str_equals(key, STR("m.tz")) &&
		(value->type != JSON_STRING || json_text(value).n > PROFILE_MAX_KEY_BYTES)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("m.tz"), "must be a time zone's name");
	}
	return true;
}

bool profile_value_is_unset(struct str key, const struct json *value)
{
	return value->type == JSON_STRING && json_text(value).n == 0 &&
		(str_equals(key, STR("displayname")) || str_equals(key, STR("avatar_url")));
}

bool profile_body_read(struct str key, const struct json *body, const struct json **out,
	struct field_error *out_error)
{
	if (!profile_key_check(key, out_error)) {
		return false;
	}
	if (body->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("body"), "must be an object");
	}
	const struct json *value = json_get(body, key);
	if (value == NULL) {
		return field_fail(out_error, M_MISSING_PARAM, key, "is missing");
	}
	if (!profile_value_check(key, value, out_error)) {
		return false;
	}
	*out = value;
	return true;
}

bool profile_size_check(const struct json *profile, struct field_error *out_error)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, PROFILE_MAX_BYTES);
	canonical_write(&buf, profile);
	if (!buf_ok(&buf)) {
		return field_fail(out_error, M_PROFILE_TOO_LARGE, STR("profile"),
			"would be larger than 64 KiB");
	}
	return true;
}
