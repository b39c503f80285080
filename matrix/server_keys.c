/*
 * Key answers. An answer is believed when it names the server that was asked for and one of the keys in
 * it signed it. How long it is believed is limited whatever it says, so that a stolen key dies with its
 * owner's next answer. The number of keys and of signatures tried is limited, since both come from
 * outside.
 */
#include "matrix/server_keys.h"

#include <string.h>

#include "base/b64.h"
#include "matrix/canonical.h"
#include "matrix/sign.h"

enum { MAX_KEYS = 256, MAX_TRIES = 8 };

/* Of ELEMENTSEC-2025-1670: Go's ed25519.GenerateKey on the seed 0 of math/rand. */
static const unsigned char leaked_keys[][ED25519_PUBLIC_BYTES] = {
	{0x97, 0xF3, 0xBD, 0x87, 0x13, 0x15, 0x28, 0x1E, 0x8B, 0x83, 0xED, 0xC7, 0xA9, 0xFD, 0x05, 0x41,
		0x06, 0x61, 0x54, 0x44, 0x90, 0x70, 0xCC, 0xDB, 0x3C, 0xDD, 0x42, 0xCF, 0x69, 0xCC, 0xDE,
		0x88},
};

bool server_key_is_leaked(const unsigned char public_key[ED25519_PUBLIC_BYTES])
{
	for (size_t i = 0; i < COUNT_OF(leaked_keys); i++) {
		if (memcmp(public_key, leaked_keys[i], ED25519_PUBLIC_BYTES) == 0) {
			return true;
		}
	}
	return false;
}

/* --- ours -------------------------------------------------------------------------------------- */

static void put(struct json *object, struct str key, struct json value)
{
	object->members[object->count++] = (struct json_member){.key = key, .value = value};
}

static struct json encoded_key(struct arena *arena,
	const unsigned char public_key[ED25519_PUBLIC_BYTES])
{
	return json_string(b64_encode(arena, str_from((const char *)public_key, ED25519_PUBLIC_BYTES)));
}

static struct json old_keys_object(struct arena *arena, const struct old_key *old_keys,
	size_t count)
{
	struct json object = json_object(arena, count);
	for (size_t i = 0; i < count; i++) {
		struct json entry = json_object(arena, 2);
		put(&entry, STR("expired_ts"), json_integer(old_keys[i].expired_ts));
		put(&entry, STR("key"), encoded_key(arena, old_keys[i].public_key));
		put(&object, old_keys[i].key_id, entry);
	}
	return object;
}

struct str server_keys_build(struct arena *arena, const struct event_signer *signer,
	int64_t valid_until_ts, const struct old_key *old_keys, size_t old_count)
{
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	ed25519_public(signer->key, public_key);
	struct json verify_key = json_object(arena, 1);
	put(&verify_key, STR("key"), encoded_key(arena, public_key));
	struct json verify_keys = json_object(arena, 1);
	put(&verify_keys, signer->key_id, verify_key);
	struct json answer = json_object(arena, 4);
	put(&answer, STR("old_verify_keys"), old_keys_object(arena, old_keys, old_count));
	put(&answer, STR("server_name"), json_string(signer->server.s));
	put(&answer, STR("valid_until_ts"), json_integer(valid_until_ts));
	put(&answer, STR("verify_keys"), verify_keys);
	struct json signed_answer = sign_json(arena, &answer, signer);
	return canonical_text(arena, &signed_answer);
}

/* --- of others --------------------------------------------------------------------------------- */

/* Reads id and bytes of an entry; false for other algorithms, malformed and leaked ones. */
static bool read_key(struct arena *arena, const struct json_member *entry, struct server_key *out)
{
	struct str algorithm;
	struct str version;
	struct str encoded = json_get_str(&entry->value, STR("key"));
	struct str bytes;
	if (!key_id_parse(entry->key, &algorithm, &version) || !str_equals(algorithm, STR("ed25519")) ||
		!b64_decode(arena, encoded, &bytes) || bytes.n != ED25519_PUBLIC_BYTES ||
		server_key_is_leaked((const unsigned char *)bytes.p)) {
		return false;
	}
	out->key_id = entry->key;
	memcpy(out->public_key, bytes.p, ED25519_PUBLIC_BYTES);
	return true;
}

/* Appends the current keys of `verify_keys`. */
static size_t read_current(struct arena *arena, const struct json *verify_keys,
	int64_t valid_until_ts, struct server_key *keys)
{
	size_t count = 0;
	for (size_t i = 0; i < verify_keys->count; i++) {
		struct server_key *key = &keys[count];
		*key = (struct server_key){.valid_until_ts = valid_until_ts};
		count += read_key(arena, &verify_keys->members[i], key);
	}
	return count;
}

/* Appends the keys of `old_verify_keys`; one that is current as well is left to be so. */
static size_t read_old(struct arena *arena, const struct json *old_keys,
	const struct json *verify_keys, struct server_key *keys)
{
	size_t count = 0;
	for (size_t i = 0; old_keys != NULL && i < old_keys->count; i++) {
		const struct json_member *entry = &old_keys->members[i];
		struct server_key *key = &keys[count];
		*key = (struct server_key){.is_old = true};
		if (json_get(verify_keys, entry->key) == NULL && read_key(arena, entry, key) &&
			json_get_int(&entry->value, STR("expired_ts"), INT64_MIN, INT64_MAX,
				&key->expired_ts)) {
			count++;
		}
	}
	return count;
}

/* Whether one of the current keys signed the answer. */
static bool is_signed(struct arena *arena, const struct json *json, struct server_name server,
	const struct server_key *keys, size_t count)
{
	const struct json *signatures = json_get(json_at(json, "signatures"), server.s);
	size_t tries = 0;
	for (size_t i = 0; i < count && tries < MAX_TRIES; i++) {
		if (json_get(signatures, keys[i].key_id) == NULL) {
			continue;
		}
		tries++;
		struct str public_key = str_from((const char *)keys[i].public_key, ED25519_PUBLIC_BYTES);
		if (sign_verify_json(arena, json, server.s, keys[i].key_id, public_key)) {
			return true;
		}
	}
	return false;
}

struct verdict server_keys_parse(struct arena *arena, const struct json *json,
	struct server_name server, int64_t received_ts, struct server_keys *out)
{
	const struct json *verify_keys = json_at(json, "verify_keys");
	const struct json *old_keys = json_at(json, "old_verify_keys");
	int64_t valid_until_ts;
	if (!json_is(verify_keys, JSON_OBJECT) || (old_keys != NULL && old_keys->type != JSON_OBJECT)) {
		return verdict_deny("keys.shape", "The answer is not a list of keys");
	}
	struct str name = json_get_str(json, STR("server_name"));
	if (name.p == NULL || !str_equals(name, server.s)) {
		return verdict_deny("keys.server_name", "The answer is of another server");
	}
	if (!json_get_int(json, STR("valid_until_ts"), INT64_MIN, INT64_MAX, &valid_until_ts)) {
		return verdict_deny("keys.valid_until_ts", "valid_until_ts must be an integer");
	}
	size_t given = verify_keys->count + (old_keys != NULL ? old_keys->count : 0);
	if (given > MAX_KEYS) {
		return verdict_deny("keys.limit", "The answer holds more than 256 keys");
	}
	valid_until_ts = MIN_OF(valid_until_ts, received_ts + SERVER_KEYS_MAX_LIFETIME_MS);
	struct server_key *keys = ARENA_NEW_ARRAY(arena, struct server_key, given + 1);
	size_t count = read_current(arena, verify_keys, valid_until_ts, keys);
	if (count == 0) {
		return verdict_deny("keys.verify_keys", "The answer holds no ed25519 key");
	}
	if (!is_signed(arena, json, server, keys, count)) {
		return verdict_deny("keys.signature", "The answer is not signed by a key in it");
	}
	count += read_old(arena, old_keys, verify_keys, keys + count);
	*out = (struct server_keys){.server = {name},
		.valid_until_ts = valid_until_ts,
		.keys = keys,
		.count = count};
	return verdict_allow();
}

const struct server_key *server_keys_find(const struct server_keys *keys, struct str key_id)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (str_equals(keys->keys[i].key_id, key_id)) {
			return &keys->keys[i];
		}
	}
	return NULL;
}

bool server_key_signs_requests(const struct server_key *key, int64_t now_ts)
{
	return !key->is_old && now_ts <= key->valid_until_ts;
}

bool server_key_signs_event(const struct server_key *key, const struct room_version *version,
	int64_t origin_server_ts)
{
	if (key->is_old) {
		return origin_server_ts <= key->expired_ts;
	}
	return !version->enforces_key_validity || origin_server_ts <= key->valid_until_ts;
}
