/*
 * Keys of devices. Nothing that other clients or servers could choke on gets past here: numbers that have no canonical
 * form, foreign identifiers, keys of another length, signatures that are wrong.
 */
#include "matrix/device_key.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "matrix/canonical.h"
#include "matrix/errcode.h"
#include "matrix/key_entry.h"
#include "matrix/sign.h"

/* --- objects -------------------------------------------------------------------------------------------- */

struct str key_body(struct arena *arena, const struct json *object)
{
	struct json body = json_without(arena, object, STR("signatures"));
	body = json_without(arena, &body, STR("unsigned"));
	return canonical_text(arena, &body);
}

static bool check_size(struct str text, struct str field, struct field_error *out_error)
{
	return text.n <= KEY_OBJECT_MAX_BYTES ||
		field_fail(out_error, M_INVALID_PARAM, field, "is too large");
}

/* What key_object_check() says, and the canonical form. */
static bool read_object(struct arena *arena, const struct json *object, struct str field,
	struct str *out_text, struct field_error *out_error)
{
	if (!json_is(object, JSON_OBJECT)) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be an object");
	}
	if (!canonical_is_strict(object) || !canonical_nests_at_most(object, KEY_OBJECT_MAX_DEPTH)) {
		return field_fail(out_error, M_INVALID_PARAM, field,
			"has no canonical form: numbers must be integers, and nesting has a limit");
	}
	*out_text = canonical_text(arena, object);
	return check_size(*out_text, field, out_error);
}

bool key_object_check(struct arena *arena, const struct json *object, struct str field,
	struct field_error *out_error)
{
	struct str text;
	return read_object(arena, object, field, &text, out_error);
}

struct str key_id_of(struct arena *arena, struct str device_id_or_key)
{
	return str_printf(arena, "ed25519:%.*s", STR_ARG(device_id_or_key));
}

bool public_key_decode(struct arena *arena, struct str text, struct str *out_bytes)
{
	return text.n > 0 && str_find_byte(text, '=') == SIZE_MAX &&
		b64_decode(arena, text, out_bytes) && out_bytes->n == ED25519_PUBLIC_BYTES;
}

/* --- identity keys ---------------------------------------------------------------------------------------- */

static bool check_algorithms(const struct json *algorithms, struct field_error *out_error)
{
	const struct str field = STR("device_keys.algorithms");
	if (!json_is(algorithms, JSON_ARRAY) || algorithms->count > DEVICE_KEY_MAX_ALGORITHMS) {
		return field_fail(out_error, M_BAD_JSON, field, "must be a list, not too long");
	}
	for (size_t i = 0; i < algorithms->count; i++) {
		const struct json *item = &algorithms->items[i];
		if (item->type != JSON_STRING || json_text(item).n > KEY_NAME_MAX_BYTES) {
			return field_fail(out_error, M_BAD_JSON, field, "must hold short strings only");
		}
	}
	return true;
}

/* Each is "<algorithm>:<this device>", and those of the two known algorithms have 32 bytes. */
static bool check_keys(struct arena *arena, const struct json *keys, struct str device_id,
	struct field_error *out_error)
{
	const struct str field = STR("device_keys.keys");
	if (!json_is(keys, JSON_OBJECT) || keys->count > DEVICE_KEY_MAX_KEYS) {
		return field_fail(out_error, M_BAD_JSON, field, "must be an object, not too large");
	}
	for (size_t i = 0; i < keys->count; i++) {
		struct str algorithm;
		struct str id;
		struct str bytes;
		const struct json *value = &keys->members[i].value;
		if (!str_split(keys->members[i].key, ':', &algorithm, &id) || !str_equals(id, device_id) ||
			algorithm.n == 0 || algorithm.n > KEY_NAME_MAX_BYTES) {
			return field_fail(out_error, M_INVALID_PARAM, field,
				"must have names of the form <algorithm>:<device id>");
		}
		bool is_known =
			str_equals(algorithm, STR("ed25519")) || str_equals(algorithm, STR("curve25519"));
		if (value->type != JSON_STRING ||
			(is_known && !public_key_decode(arena, json_text(value), &bytes))) {
			return field_fail(out_error, M_INVALID_PARAM, field,
				"must hold public keys in unpadded Base64");
		}
	}
	return true;
}

bool device_key_read(struct arena *arena, const struct json *object, const struct key_owner *owner,
	struct device_key *out, struct field_error *out_error)
{
	if (!key_object_check(arena, object, STR("device_keys"), out_error)) {
		return false;
	}
	if (!str_equals(json_get_str(object, STR("user_id")), owner->user_id)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("device_keys.user_id"),
			"must be the user who uploads");
	}
	if (!str_equals(json_get_str(object, STR("device_id")), owner->device_id)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("device_keys.device_id"),
			"must be the device that uploads");
	}
	const struct json *keys = json_at(object, "keys");
	if (!check_algorithms(json_at(object, "algorithms"), out_error) ||
		!check_keys(arena, keys, owner->device_id, out_error)) {
		return false;
	}
	struct str id = key_id_of(arena, owner->device_id);
	struct str ed25519 = json_get_str(keys, id);
	struct str bytes;
	if (ed25519.p == NULL || !public_key_decode(arena, ed25519, &bytes)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("device_keys.keys"),
			"must hold the device's Ed25519 key");
	}
	const struct json *signatures = json_at(object, "signatures");
	if (!json_is(signatures, JSON_OBJECT)) {
		return field_fail(out_error, M_BAD_JSON, STR("device_keys.signatures"),
			"must be an object");
	}
	/* One that is missing is no forgery: other clients ignore such a device by themselves. */
	bool is_signed = json_get(json_get(signatures, owner->user_id), id) != NULL;
	if (is_signed && !sign_verify_json(arena, object, owner->user_id, id, bytes)) {
		return field_fail(out_error, M_INVALID_SIGNATURE, STR("device_keys.signatures"),
			"must hold the signature of the device's own key");
	}
	*out = (struct device_key){
		.ed25519 = ed25519,
		.body = key_body(arena, object),
		.signature = json_get_str(json_get(signatures, owner->user_id), id),
	};
	return true;
}

/* --- one-time and fallback keys ------------------------------------------------------------------------------- */

static bool is_plain_name(struct str name)
{
	bool is_plain = name.n > 0 && name.n <= KEY_NAME_MAX_BYTES;
	for (size_t i = 0; i < name.n; i++) {
		is_plain = is_plain && (unsigned char)name.p[i] > 0x20 && name.p[i] != 0x7F;
	}
	return is_plain;
}

/* Who has to have signed keys, and how they look then. */
struct signing {
	struct str user_id;
	struct str signer; /* "ed25519:" and the device */
	struct key_frame frame;
};

/* Whether the object has a key, that one's signature, and nothing else. */
static bool is_bare(const struct json *object, const struct json *signatures,
	const struct json *by_user)
{
	return object->count == 2 && signatures->count == 1 && by_user->count == 1;
}

static bool enter(struct arena *arena, const struct signing *signing, struct str text,
	struct key_entry *entry)
{
	*entry = key_entry_of(arena, &signing->frame, entry->id, text);
	return true;
}

/*
 * Whoever claims the key checks the signature; here it has to be there, and to look like one. Of a bare key nothing else is left to check then, and its
 * canonical form is these two in their frame: Base64 has nothing that is escaped.
 */
static bool read_signed_key(struct arena *arena, const struct json *object,
	const struct signing *signing, struct str field, struct key_entry *entry,
	struct field_error *out_error)
{
	struct str bytes;
	struct str text;
	const struct json *signatures = json_at(object, "signatures");
	const struct json *by_user = json_get(signatures, signing->user_id);
	struct str key = json_get_str(object, STR("key"));
	struct str signature = json_get_str(by_user, signing->signer);
	bool is_framed = key.p != NULL && signature.p != NULL && is_bare(object, signatures, by_user);
	if (is_framed && key_entry_of_pair(arena, entry->id, key, signature, entry)) {
		return true;
	}
	if (!is_framed && !read_object(arena, object, field, &text, out_error)) {
		return false;
	}
	if (!public_key_decode(arena, key, &bytes)) {
		return field_fail(out_error, M_INVALID_PARAM, field,
			"must have a public key in unpadded Base64 as 'key'");
	}
	if (signature.p == NULL || !b64_decode(arena, signature, &bytes) ||
		bytes.n != ED25519_SIGNATURE_BYTES) {
		return field_fail(out_error, M_INVALID_SIGNATURE, field,
			"must be signed by the device's Ed25519 key");
	}
	if (is_framed) {
		text = key_frame_text(arena, &signing->frame, key, signature);
	}
	return check_size(text, field, out_error) && enter(arena, signing, text, entry);
}

static bool verify_key(struct arena *arena, const struct json *key, const struct key_owner *owner,
	struct str field, struct field_error *out_error)
{
	struct str bytes;
	if (owner->ed25519.p == NULL || !public_key_decode(arena, owner->ed25519, &bytes)) {
		return field_fail(out_error, M_INVALID_PARAM, field,
			"cannot be checked: upload the device's keys first");
	}
	struct str signer = key_id_of(arena, owner->device_id);
	return sign_verify_json(arena, key, owner->user_id, signer, bytes) ||
		field_fail(out_error, M_INVALID_SIGNATURE, field,
			"must be signed by the device's Ed25519 key");
}

static bool read_unsigned_key(struct arena *arena, const struct json *key,
	const struct signing *signing, struct str field, struct key_entry *entry,
	struct field_error *out_error)
{
	struct str text;
	if (key->type != JSON_STRING) {
		return read_object(arena, key, field, &text, out_error) &&
			enter(arena, signing, text, entry);
	}
	if (json_text(key).n > KEY_OBJECT_MAX_BYTES / 2) {
		return field_fail(out_error, M_INVALID_PARAM, field, "is too large");
	}
	return enter(arena, signing, canonical_text(arena, key), entry);
}

static bool is_signed(struct str name)
{
	return str_starts_with(name, STR("signed_"));
}

static bool has_algorithm(const struct one_time_key *keys, size_t count, struct str algorithm)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(keys[i].algorithm, algorithm)) {
			return true;
		}
	}
	return false;
}

bool one_time_keys_read(struct arena *arena, const struct json *map, const struct key_owner *owner,
	bool is_fallback, struct one_time_key **out, size_t *out_count, struct field_error *out_error)
{
	struct str field = is_fallback ? STR("fallback_keys") : STR("one_time_keys");
	if (!json_is(map, JSON_OBJECT)) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be an object");
	}
	if (map->count > (is_fallback ? FALLBACK_KEYS_MAX : ONE_TIME_KEYS_MAX)) {
		return field_fail(out_error, M_INVALID_PARAM, field, "holds too many keys");
	}
	struct one_time_key *keys = ARENA_NEW_ARRAY(arena, struct one_time_key, map->count + 1);
	const struct signing signing = {
		.user_id = owner->user_id,
		.signer = key_id_of(arena, owner->device_id),
		.frame = key_frame_of(arena, owner->user_id, owner->device_id),
	};
	for (size_t i = 0; i < map->count; i++) {
		const struct json *value = &map->members[i].value;
		if (!str_split(map->members[i].key, ':', &keys[i].algorithm, &keys[i].entry.id) ||
			!is_plain_name(keys[i].algorithm) || !is_plain_name(keys[i].entry.id)) {
			return field_fail(out_error, M_INVALID_PARAM, field,
				"must have names of the form <algorithm>:<key id>");
		}
		bool is_good = is_signed(keys[i].algorithm)
			? read_signed_key(arena, value, &signing, field, &keys[i].entry, out_error) &&
				(!is_fallback || verify_key(arena, value, owner, field, out_error))
			: read_unsigned_key(arena, value, &signing, field, &keys[i].entry, out_error);
		if (!is_good) {
			return false;
		}
		if (is_fallback && has_algorithm(keys, i, keys[i].algorithm)) {
			return field_fail(out_error, M_INVALID_PARAM, field,
				"may hold one key of each algorithm");
		}
	}
	*out = keys;
	*out_count = map->count;
	return true;
}

bool one_time_keys_verify(struct arena *arena, const struct json *map,
	const struct key_owner *owner, struct field_error *out_error)
{
	for (size_t i = 0; i < map->count; i++) {
		if (is_signed(map->members[i].key)) {
			return verify_key(arena, &map->members[i].value, owner, STR("one_time_keys"),
				out_error);
		}
	}
	return true;
}
