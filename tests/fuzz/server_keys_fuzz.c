/*
 * Key answers: the JSON as it came, and signed by a key of ours that is put in, so that the reading behind
 * the signature is reached too.
 */
#include "base/arena.h"
#include "matrix/canonical.h"
#include "matrix/server_keys.h"
#include "matrix/sign.h"

#define NOW INT64_C(1700000000000)

static const struct ed25519_key *our_key(void)
{
	static struct ed25519_key *key;
	static const unsigned char seed[ED25519_SEED_BYTES] = {1};
	if (key == NULL) {
		key = ed25519_key_create(seed);
	}
	return key;
}

/* The object with our key among its own, signed by it. */
static struct json with_our_key(struct arena *arena, const struct json *json,
	const struct event_signer *signer)
{
	struct json ours;
	struct str text = server_keys_build(arena, signer, NOW, NULL, 0);
	enum json_error error = json_parse(arena, text, NULL, &ours, NULL);
	invariant(error == JSON_OK);
	struct json keys = *json_at(&ours, "verify_keys");
	const struct json *others = json_at(json, "verify_keys");
	for (size_t i = 0; json_is(others, JSON_OBJECT) && i < others->count && i < 300; i++) {
		const struct json_member *other = &others->members[i];
		if (!str_equals(other->key, signer->key_id)) {
			keys = json_with(arena, &keys, other->key, other->value);
		}
	}
	struct json all = json_with(arena, json, STR("verify_keys"), keys);
	all = json_with(arena, &all, STR("server_name"), json_string(signer->server.s));
	return sign_json(arena, &all, signer);
}

static void check(struct arena *arena, const struct json *json, struct server_name server)
{
	struct server_keys keys;
	if (!server_keys_parse(arena, json, server, NOW, &keys).allowed) {
		return;
	}
	invariant(keys.count > 0 && !keys.keys[0].is_old);
	invariant(keys.valid_until_ts <= NOW + SERVER_KEYS_MAX_LIFETIME_MS);
	for (size_t i = 0; i < keys.count; i++) {
		invariant(server_keys_find(&keys, keys.keys[i].key_id) == &keys.keys[i]);
		invariant(!server_key_signs_requests(&keys.keys[i], INT64_MAX));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json json;
	if (json_parse(arena, str_from((const char *)data, size), NULL, &json, NULL) != JSON_OK) {
		return 0;
	}
	struct event_signer signer = {.server = {STR("domain")},
		.key_id = STR("ed25519:ours"),
		.key = our_key()};
	check(arena, &json, signer.server);
	if (json.type == JSON_OBJECT) {
		struct json signed_json = with_our_key(arena, &json, &signer);
		check(arena, &signed_json, signer.server);
	}
	return 0;
}
