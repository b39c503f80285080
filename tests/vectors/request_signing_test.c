/*
 * request_signing.json and x_matrix_headers.json: signed requests between servers.
 */
#include "tests/vectors/spec_vectors.h"

#include "base/b64.h"
#include "matrix/x_matrix.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static struct x_matrix_request request_of(const struct json *item)
{
	const struct json *content = vectors_get(item, "content");
	return (struct x_matrix_request){
		.method = vectors_str(item, "method"),
		.uri = vectors_str(item, "uri"),
		.origin = {STR("domain")},
		.destination = {STR("other.example")},
		.content = content->type == JSON_NULL ? NULL : content,
	};
}

static void sign__every_request__exact_and_verified(void **state)
{
	(void)state;
	const struct json *file = vectors_read(arena, "request_signing.json");
	struct event_signer signer = vectors_signer(arena, file);
	struct str key;
	assert_true(b64_decode(arena, vectors_str(file, "public_key"), &key));
	const struct json *requests = vectors_get(file, "requests");
	assert_int_equal(requests->count, 4);
	for (size_t i = 0; i < requests->count; i++) {
		const struct json *item = &requests->items[i];
		struct x_matrix_request request = request_of(item);
		assert_same_text(x_matrix_signed_text(arena, &request), vectors_str(item, "signed_bytes"));
		assert_same_text(x_matrix_sign(arena, &request, &signer),
			vectors_str(item, "authorization"));
		struct x_matrix header;
		assert_true(x_matrix_parse(arena, vectors_str(item, "authorization"), &header));
		assert_same_text(header.signature, vectors_str(item, "signature"));
		assert_true(x_matrix_is_for(&header, request.destination));
		assert_true(x_matrix_verify(arena, &header, &request, key));
		request.method = STR("DELETE");
		assert_false(x_matrix_verify(arena, &header, &request, key));
	}
	vectors_signer_fini(&signer);
}

static void parse__accepted_headers__values_as_published(void **state)
{
	(void)state;
	const struct json *accept = vectors_get(vectors_read(arena, "x_matrix_headers.json"), "accept");
	assert_int_equal(accept->count, 7);
	for (size_t i = 0; i < accept->count; i++) {
		struct x_matrix header;
		if (!x_matrix_parse(arena, json_text(&accept->items[i]), &header)) {
			fail_msg("%.*s", STR_ARG(json_text(&accept->items[i])));
		}
		assert_same_text(header.origin.s, i == 4 ? STR("a.example:8448") : STR("a.example"));
		assert_same_text(header.key_id, STR("ed25519:1"));
		assert_same_text(header.signature, STR("ABC"));
		bool is_last = i + 1 == accept->count;
		assert_int_equal(header.destination.p == NULL, is_last);
		assert_true(is_last || str_equals(header.destination, STR("b.example")));
	}
}

static void parse__other_headers__refused(void **state)
{
	(void)state;
	const struct json *reject = vectors_get(vectors_read(arena, "x_matrix_headers.json"), "reject");
	assert_int_equal(reject->count, 4);
	for (size_t i = 0; i < reject->count; i++) {
		struct x_matrix header;
		assert_false(x_matrix_parse(arena, json_text(&reject->items[i]), &header));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sign__every_request__exact_and_verified, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parse__accepted_headers__values_as_published, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(parse__other_headers__refused, set_up, tear_down),
	};
	return RUN_ALL(tests);
}
