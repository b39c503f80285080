/*
 * signing.json: the cryptographic test vectors of the specification.
 */
#include "tests/vectors/spec_vectors.h"

#include "base/b64.h"
#include "matrix/sign.h"

static struct arena *arena;
static const struct json *file;
static struct event_signer signer;
static unsigned char public_key[ED25519_PUBLIC_BYTES];

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	file = vectors_read(arena, "signing.json");
	signer = vectors_signer(arena, file);
	ed25519_public(signer.key, public_key);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vectors_signer_fini(&signer);
	arena_destroy(arena);
	return 0;
}

static struct str key_bytes(void)
{
	return str_from((const char *)public_key, sizeof(public_key));
}

static void sign_json__every_case__exact_and_verified(void **state)
{
	(void)state;
	const struct json *cases = vectors_get(file, "json_signing");
	assert_int_equal(cases->count, 2);
	for (size_t i = 0; i < cases->count; i++) {
		const struct json *expected = vectors_get(&cases->items[i], "signed");
		struct json is = sign_json(arena, vectors_get(&cases->items[i], "input"), &signer);
		assert_same_json(&is, expected);
		assert_true(sign_verify_json(arena, expected, signer.server.s, signer.key_id, key_bytes()));
	}
}

/* The event with its content hash. */
static struct json hashed(const struct json *event)
{
	unsigned char hash[SHA256_BYTES];
	event_content_hash(arena, event, hash);
	struct json hashes = json_object(arena, 0);
	hashes = json_with(arena, &hashes, STR("sha256"),
		json_string(b64_encode(arena, str_from((const char *)hash, sizeof(hash)))));
	return json_with(arena, event, STR("hashes"), hashes);
}

static void event_sign__every_case__exact_and_verified(void **state)
{
	(void)state;
	const struct json *cases = vectors_get(file, "event_signing");
	assert_int_equal(cases->count, 2);
	for (size_t i = 0; i < cases->count; i++) {
		const struct json *item = &cases->items[i];
		const struct room_version *version = room_version_find(vectors_str(item, "room_version"));
		const struct json *expected = vectors_get(item, "signed");
		struct json event = hashed(vectors_get(item, "input"));
		struct json is = event_sign(arena, version, &event, &signer);
		assert_same_json(&is, expected);
		assert_true(event_hash_is_valid(arena, expected));
		assert_true(
			event_verify(arena, version, expected, signer.server.s, signer.key_id, key_bytes()));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sign_json__every_case__exact_and_verified),
		cmocka_unit_test(event_sign__every_case__exact_and_verified),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
