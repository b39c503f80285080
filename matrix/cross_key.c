/*
 * Cross-signing keys.
 */
#include "matrix/cross_key.h"

#include "matrix/device_key.h"
#include "matrix/errcode.h"
#include "matrix/sign.h"

static const struct str usage_names[CROSS_USAGE_COUNT] = {
	[CROSS_MASTER] = STR_INIT("master"),
	[CROSS_SELF_SIGNING] = STR_INIT("self_signing"),
	[CROSS_USER_SIGNING] = STR_INIT("user_signing"),
};

struct str cross_usage_name(enum cross_usage usage)
{
	return usage_names[usage];
}

bool cross_usage_parse(struct str name, enum cross_usage *out)
{
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		if (str_equals(usage_names[i], name)) {
			*out = (enum cross_usage)i;
			return true;
		}
	}
	return false;
}

static bool has_usage(const struct json *list, enum cross_usage usage)
{
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		if (list->items[i].type == JSON_STRING &&
			str_equals(json_text(&list->items[i]), usage_names[usage])) {
			return true;
		}
	}
	return false;
}

bool cross_key_read(struct arena *arena, const struct json *object, struct str user_id,
	enum cross_usage usage, struct str field, struct cross_key *out, struct field_error *out_error)
{
	struct str bytes;
	if (!key_object_check(arena, object, field, out_error)) {
		return false;
	}
	if (!str_equals(json_get_str(object, STR("user_id")), user_id)) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be of the user who uploads it");
	}
	if (!has_usage(json_at(object, "usage"), usage)) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must name its usage");
	}
	const struct json *keys = json_at(object, "keys");
	if (keys == NULL || keys->type != JSON_OBJECT || keys->count != 1 ||
		keys->members[0].value.type != JSON_STRING) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must have exactly one key");
	}
	struct str public_key = json_text(&keys->members[0].value);
	if (!public_key_decode(arena, public_key, &bytes) ||
		!str_equals(keys->members[0].key, key_id_of(arena, public_key))) {
		return field_fail(out_error, M_INVALID_PARAM, field,
			"must have an Ed25519 key in unpadded Base64 under the name ed25519:<the key>");
	}
	*out = (struct cross_key){public_key, key_body(arena, object)};
	return true;
}

bool key_is_signed_by(struct arena *arena, const struct json *object,
	const struct key_signer *signer)
{
	struct str bytes;
	return public_key_decode(arena, signer->public_key, &bytes) &&
		sign_verify_json(arena, object, signer->user_id, key_id_of(arena, signer->name), bytes);
}

struct str key_signature_by(struct arena *arena, const struct json *object,
	const struct key_signer *signer)
{
	return json_get_str(json_get(json_at(object, "signatures"), signer->user_id),
		key_id_of(arena, signer->name));
}

bool key_may_sign(enum key_role signer, enum key_role target, bool is_own, bool is_self)
{
	if (!is_own) {
		return signer == KEY_USER_SIGNING && target == KEY_MASTER;
	}
	switch (signer) {
	case KEY_DEVICE:
		return target == KEY_MASTER || is_self;
	case KEY_MASTER:
		return target == KEY_SELF_SIGNING || target == KEY_USER_SIGNING;
	case KEY_SELF_SIGNING:
		return target == KEY_DEVICE;
	case KEY_USER_SIGNING:
		return false;
	}
	return false;
}
