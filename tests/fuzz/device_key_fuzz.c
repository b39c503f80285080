/*
 * Keys of devices, cross-signing keys and backed-up keys: any JSON is read without harm; what was taken has the size, the
 * owner and the canonical form that is promised.
 */
#include "base/arena.h"
#include "matrix/canonical.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"
#include "matrix/key_backup.h"

static const struct key_owner owner = {
	.user_id = STR_INIT("@a:b"),
	.device_id = STR_INIT("D"),
	.ed25519 = STR_INIT("O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik"),
};

static void check_body(struct arena *arena, struct str body)
{
	struct json again;
	invariant(body.n <= KEY_OBJECT_MAX_BYTES);
	invariant(json_parse(arena, body, NULL, &again, NULL) == JSON_OK);
	invariant(again.type == JSON_OBJECT && canonical_is_strict(&again));
	invariant(json_at(&again, "signatures") == NULL && json_at(&again, "unsigned") == NULL);
	invariant(str_equals(canonical_text(arena, &again), body));
}

static void check_device_key(struct arena *arena, const struct json *json)
{
	struct device_key key;
	struct field_error error;
	struct str bytes;
	if (device_key_read(arena, json, &owner, &key, &error)) {
		check_body(arena, key.body);
		invariant(public_key_decode(arena, key.ed25519, &bytes));
	} else {
		invariant(error.errcode != NULL && error.text != NULL);
	}
}

static void check_one_time_keys(struct arena *arena, const struct json *json, bool is_fallback)
{
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	if (!one_time_keys_read(arena, json, &owner, is_fallback, &keys, &count, &error)) {
		invariant(error.errcode != NULL && error.text != NULL);
		return;
	}
	struct key_frame frame = key_frame_of(arena, owner.user_id, owner.device_id);
	invariant(count == json->count && count <= ONE_TIME_KEYS_MAX);
	invariant(one_time_keys_verify(arena, json, &owner, &error) ||
		(error.errcode != NULL && error.text != NULL));
	for (size_t i = 0; i < count; i++) {
		struct json again;
		struct str text = key_entry_text(arena, &frame, &keys[i].entry);
		invariant(keys[i].algorithm.n > 0 && keys[i].entry.id.n > 0);
		invariant(json_parse(arena, text, NULL, &again, NULL) == JSON_OK);
		invariant(str_equals(text, canonical_text(arena, &json->members[i].value)));
	}
}

static void check_cross_keys(struct arena *arena, const struct json *json)
{
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		struct cross_key key;
		struct field_error error;
		if (cross_key_read(arena, json, owner.user_id, (enum cross_usage)i, STR("key"), &key,
				&error)) {
			const struct key_signer signer = {owner.user_id, key.public_key, key.public_key};
			check_body(arena, key.body);
			invariant(!key_is_signed_by(arena, json, &signer) ||
				key_signature_by(arena, json, &signer).p != NULL);
		}
	}
}

static void check_backup(struct arena *arena, const struct json *json)
{
	for (int scope = BACKUP_ALL; scope <= BACKUP_SESSION; scope++) {
		struct backup_key *keys;
		size_t count;
		struct field_error error;
		if (!backup_keys_read(arena, json, (enum backup_scope)scope, STR("!r:b"), STR("s"), &keys,
				&count, &error)) {
			invariant(error.errcode != NULL && error.text != NULL);
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			invariant(keys[i].first_message_index >= 0 && keys[i].forwarded_count >= 0);
			invariant(keys[i].session_data.n <= BACKUP_SESSION_DATA_MAX_BYTES);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create();
	struct json json;
	if (json_parse(arena, str_from((const char *)data, size), NULL, &json, NULL) == JSON_OK) {
		check_device_key(arena, &json);
		check_one_time_keys(arena, &json, false);
		check_one_time_keys(arena, &json, true);
		check_cross_keys(arena, &json);
		check_backup(arena, &json);
	}
	arena_destroy(arena);
	return 0;
}
