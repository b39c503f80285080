/*
 * server_keys.json: a signed answer of /_matrix/key/v2/server, built the same and believed.
 */
#include "tests/vectors/spec_vectors.h"

#include <string.h>

#include "base/b64.h"
#include "matrix/server_keys.h"

static void build__published_answer__same_bytes(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *file = vectors_read(arena, "server_keys.json");
	const struct json *response = vectors_get(file, "response");
	struct event_signer signer = vectors_signer(arena, file);
	struct old_key old = {.key_id = STR("ed25519:0"), .expired_ts = 1532645052628};
	struct str bytes;
	assert_true(b64_decode(arena,
		vectors_str(vectors_get(vectors_get(response, "old_verify_keys"), "ed25519:0"), "key"),
		&bytes));
	assert_int_equal(bytes.n, ED25519_PUBLIC_BYTES);
	memcpy(old.public_key, bytes.p, bytes.n);
	struct str text = server_keys_build(arena, &signer, 1800000000000, &old, 1);
	struct json is;
	assert_int_equal(json_parse(arena, text, NULL, &is, NULL), JSON_OK);
	assert_same_json(&is, response);
	vectors_signer_fini(&signer);
}

static void parse__published_answer__both_keys(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *file = vectors_read(arena, "server_keys.json");
	struct server_keys keys;
	const int64_t now = 1799999990000;
	assert_true(server_keys_parse(arena, vectors_get(file, "response"),
		(struct server_name){STR("domain")}, now, &keys)
					.allowed);
	assert_int_equal(keys.count, 2);
	assert_true(keys.valid_until_ts == 1800000000000);
	const struct server_key *key = server_keys_find(&keys, STR("ed25519:1"));
	assert_false(key->is_old);
	assert_same_text(
		b64_encode(arena, str_from((const char *)key->public_key, ED25519_PUBLIC_BYTES)),
		vectors_str(file, "public_key"));
	const struct server_key *old = server_keys_find(&keys, STR("ed25519:0"));
	assert_true(old->is_old);
	assert_true(old->expired_ts == 1532645052628);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build__published_answer__same_bytes),
		cmocka_unit_test(parse__published_answer__both_keys),
	};
	return RUN_ALL(tests);
}
