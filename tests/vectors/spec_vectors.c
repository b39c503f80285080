/*
 * Reading the vectors.
 */
#include "tests/vectors/spec_vectors.h"

#include "base/b64.h"
#include "matrix/canonical.h"

const struct json *vectors_read(struct arena *arena, const char *file)
{
	const char *folder = getenv("BELFRY_SPEC_VECTORS");
	assert_non_null(folder);
	FILE *stream = fopen(arena_printf(arena, "%s/%s", folder, file), "rb");
	assert_non_null(stream);
	assert_int_equal(fseek(stream, 0, SEEK_END), 0);
	long size = ftell(stream);
	assert_true(size > 0);
	rewind(stream);
	char *text = arena_alloc(arena, (size_t)size);
	assert_int_equal(fread(text, 1, (size_t)size, stream), (size_t)size);
	(void)fclose(stream);
	struct json *root = ARENA_NEW(arena, struct json);
	assert_int_equal(json_parse(arena, str_from(text, (size_t)size), NULL, root, NULL), JSON_OK);
	return root;
}

const struct json *vectors_get(const struct json *object, const char *key)
{
	const struct json *value = json_get(object, str_of(key));
	if (value == NULL) {
		fail_msg("the vectors have no \"%s\"", key);
	}
	return value;
}

struct str vectors_str(const struct json *object, const char *key)
{
	const struct json *value = vectors_get(object, key);
	assert_true(json_is(value, JSON_STRING));
	return json_text(value);
}

struct event_signer vectors_signer(struct arena *arena, const struct json *file)
{
	struct event_signer signer = {.key_id = vectors_str(file, "key_id")};
	struct str seed;
	assert_true(b64_decode(arena, vectors_str(file, "signing_key_seed"), &seed));
	assert_int_equal(seed.n, ED25519_SEED_BYTES);
	assert_true(server_name_parse(vectors_str(file, "server_name"), &signer.server));
	signer.key = ed25519_key_create((const unsigned char *)seed.p);
	assert_non_null(signer.key);
	return signer;
}

void vectors_signer_fini(struct event_signer *signer)
{
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer->key);
	*signer = (struct event_signer){0};
}

void assert_same_text(struct str is, struct str expected)
{
	if (!str_equals(is, expected)) {
		fail_msg("is       %.*s\nexpected %.*s", STR_ARG(is), STR_ARG(expected));
	}
}

void assert_same_json(const struct json *is, const struct json *expected)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_same_text(canonical_text(arena, is), canonical_text(arena, expected));
}
