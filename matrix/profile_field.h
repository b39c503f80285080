/**
 * The fields of a user's profile: names, values, sizes.
 * Spec: client-server API, "Profiles"; appendices, "Common Namespaced Identifier Grammar"
 */
#ifndef BELFRY_MATRIX_PROFILE_FIELD_H
#define BELFRY_MATRIX_PROFILE_FIELD_H

#include "base/json.h"
#include "matrix/field_error.h"

enum {
	PROFILE_MAX_BYTES = 65535, /**< a whole profile as canonical JSON: under 64 KiB */
	PROFILE_MAX_KEY_BYTES = 255,
	PROFILE_MAX_DISPLAYNAME_CHARS = 256, /**< code points */
	PROFILE_MAX_URI_BYTES = 1000,
};

/** Checks a field's name. Errors: M_KEY_TOO_LARGE, M_INVALID_PARAM. */
MUST_CHECK bool profile_key_check(struct str key, struct field_error *out_error);

/**
 * Checks a field's value: `displayname` is a string of limited length without NUL,
 * `avatar_url` an MXC URI or empty, `m.tz` a string; other fields may be anything.
 * Errors: M_INVALID_PARAM.
 */
MUST_CHECK bool profile_value_check(struct str key, const struct json *value,
	struct field_error *out_error);

/** Whether setting this value means taking the field out: the empty displayname and avatar_url. */
bool profile_value_is_unset(struct str key, const struct json *value);

/**
 * Takes the field's value out of the body of PUT /profile/{userId}/{keyName} and checks both.
 * Errors: M_KEY_TOO_LARGE, M_INVALID_PARAM, M_BAD_JSON (no object), M_MISSING_PARAM (no such
 * member).
 */
MUST_CHECK bool profile_body_read(struct str key, const struct json *body, const struct json **out,
	struct field_error *out_error);

/**
 * Checks the size that a profile would have.
 * @param profile  object with all fields, the change made
 * Errors: M_PROFILE_TOO_LARGE
 */
MUST_CHECK bool profile_size_check(const struct json *profile, struct field_error *out_error);

#endif
