/*
 * The checks stand in the order and by the numbers of the specification.
 */
#include "e2ee/olm_event.h"

#include "matrix/cross_key.h"
#include "matrix/device_key.h"

enum { PLAINTEXT_MAX_DEPTH = 32, PLAINTEXT_MAX_VALUES = 10000 };

bool olm_envelope_read(struct arena *arena, const struct json *content, struct str own_curve25519,
	struct olm_envelope *out)
{
	const struct json *part = json_get(json_at(content, "ciphertext"), own_curve25519);
	struct str bytes;
	int64_t type;
	if (!str_equals(json_get_str(content, STR("algorithm")), STR("m.olm.v1.curve25519-aes-sha2")) ||
		!json_get_int(part, STR("type"), RATCHET_PRE_KEY, RATCHET_NORMAL, &type)) {
		return false;
	}
	out->sender_key = json_get_str(content, STR("sender_key"));
	out->type = (enum ratchet_message_type)type;
	out->body = json_get_str(part, STR("body"));
	return out->body.n > 0 && public_key_decode(arena, out->sender_key, &bytes);
}

/* 5. sender_device_keys */
static bool are_device_keys_good(struct arena *arena, const struct json *keys,
	const struct olm_expectation *expected, struct str ed25519)
{
	struct str device_id = json_get_str(keys, STR("device_id"));
	const struct json *map = json_at(keys, "keys");
	const struct key_signer self = {expected->sender, device_id, ed25519};
	return json_is(keys, JSON_OBJECT) && device_id.n > 0 &&
		str_equals(json_get_str(keys, STR("user_id")), expected->sender) &&
		str_equals(json_get_str(map, str_printf(arena, "curve25519:%.*s", STR_ARG(device_id))),
			expected->sender_key) &&
		str_equals(json_get_str(map, key_id_of(arena, device_id)), ed25519) &&
		key_is_signed_by(arena, keys, &self);
}

bool olm_event_read(struct arena *arena, struct str plaintext,
	const struct olm_expectation *expected, struct olm_event *out)
{
	const struct json_limits limits = {.max_depth = PLAINTEXT_MAX_DEPTH,
		.max_values = PLAINTEXT_MAX_VALUES};
	struct json *object = ARENA_NEW(arena, struct json);
	struct str bytes;
	if (json_parse(arena, plaintext, &limits, object, NULL) != JSON_OK) {
		return false;
	}
	struct str ed25519 = json_get_str(json_at(object, "keys"), STR("ed25519"));
	struct str recipient_ed25519 = json_get_str(json_at(object, "recipient_keys"), STR("ed25519"));
	const struct json *device_keys = json_at(object, "sender_device_keys");
	if (!str_equals(json_get_str(object, STR("sender")), expected->sender) ||       /* 1. */
		!public_key_decode(arena, ed25519, &bytes) ||                               /* 2. */
		!str_equals(json_get_str(object, STR("recipient")), expected->recipient) || /* 3. */
		!str_equals(recipient_ed25519, expected->recipient_ed25519)) {              /* 4. */
		return false;
	}
	if (device_keys != NULL && !are_device_keys_good(arena, device_keys, expected, ed25519)) {
		return false;
	}
	out->type = json_get_str(object, STR("type"));
	out->content = json_at(object, "content");
	out->sender_ed25519 = ed25519;
	return out->type.p != NULL && json_is(out->content, JSON_OBJECT);
}
