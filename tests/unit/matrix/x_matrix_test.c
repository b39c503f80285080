/*
 * X-Matrix headers beyond the published ones, and requests whose parts were changed.
 */
#include "tests/unit/base/check.h"

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

static void parse__lenient_forms__accepted(void **state)
{
	(void)state;
	static const char *const headers[] = {
		"X-Matrix origin=a.example,key=ed25519:1,sig=AB+/",
		"X-MATRIX\torigin = a.example ,\t key\t=\t\"ed25519:1\",sig=AB+/",
		"X-Matrix ,, origin=a.example,,key=ed25519:1,sig=\"AB+/\",",
		"X-Matrix origin=\"\\a\\.example\",key=\"ed2551\\9:1\",sig=\"AB\\+/\"",
		"X-Matrix x=\"a,b=\\\"c\\\"\",x=2,origin=a.example,key=ed25519:1,sig=AB+/",
		"X-Matrix azAZ09=azAZ09,origin=a.example,key=ed25519:1,sig=AB+/",
	};
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		struct x_matrix header;
		if (!x_matrix_parse(arena, str_of(headers[i]), &header)) {
			fail_msg("%s", headers[i]);
		}
		assert_text(header.origin.s, "a.example");
		assert_text(header.key_id, "ed25519:1");
		assert_text(header.signature, "AB+/");
		assert_null(header.destination.p);
	}
}

static void parse__malformed__refused(void **state)
{
	(void)state;
	static const char *const headers[] = {"", " ", "X-Matrix ", "X-Matrixorigin=a",
		"X-Matrix,origin=a,key=ed25519:1,sig=A", " X-Matrix origin=a,key=ed25519:1,sig=A",
		"X-Matrix origin=a key=ed25519:1 sig=A",
		"X-Matrix origin=a,key=ed25519:1,sig=", "X-Matrix origin=a,key=ed25519:1,sig=\"\"",
		"X-Matrix origin=a,key=ed25519:1,sig=\"A", "X-Matrix origin=a,key=ed25519:1,sig=\"A\\",
		"X-Matrix origin=a,key=ed25519:1,sig=\"A\"B", "X-Matrix origin=a,key=ed25519:1,sig=A,=b",
		"X-Matrix origin=a,key=ed25519:1,sig=A,b", "X-Matrix origin=a,key=ed25519:1,sig=A;b=c",
		"X-Matrix origin=a,origin=b,key=ed25519:1,sig=A",
		"X-Matrix origin=a,key=ed25519:1,KEY=ed25519:1,sig=A",
		"X-Matrix origin=a,key=ed25519:1,sig=A,sig=A",
		"X-Matrix destination=a,destination=a,origin=a,key=ed25519:1,sig=A",
		"X-Matrix origin=\"\",key=ed25519:1,sig=A", "X-Matrix origin=\"a b\",key=ed25519:1,sig=A",
		"X-Matrix origin=a_b,key=ed25519:1,sig=A", "X-Matrix origin=a,key=ed25519,sig=A",
		"X-Matrix origin=a,key=\"\",sig=A", "X-Matrix origin=a,sig=A",
		"X-Matrix key=ed25519:1,sig=A",
		"X-Matrix origin=a,key=ed25519:1,sig=A,x=", "Bearer origin=a,key=ed25519:1,sig=A",
		"X-Matrix origin=a,key=ed25519:1,sig=A,x=\"open\\",
		"X-Matrix origin=a,key=ed25519:1,sig=A,x=\"open",
		"X-Matrix origin=a,key=ed25519:1,sig=A,x=\"\x7f\""};
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		struct x_matrix header;
		if (x_matrix_parse(arena, str_of(headers[i]), &header)) {
			fail_msg("accepted: %s", headers[i]);
		}
	}
	struct x_matrix header;
	assert_false(x_matrix_parse(arena, str_from(NULL, 0), &header));
	assert_false(x_matrix_parse(arena, STR("X-Matrix origin=a\0,key=ed25519:1,sig=A"), &header));
	assert_false(
		x_matrix_parse(arena, STR("X-Matrix origin=a,key=ed25519:1,sig=\"A\0\""), &header));
	assert_false(
		x_matrix_parse(arena, STR("X-Matrix origin=a,key=ed25519:1,sig=\"A\n\""), &header));
}

static void is_for__destinations__exact_or_absent(void **state)
{
	(void)state;
	struct server_name own = {STR("b.example:8448")};
	struct x_matrix header = {.destination = STR("b.example:8448")};
	assert_true(x_matrix_is_for(&header, own));
	header.destination = STR("b.example");
	assert_false(x_matrix_is_for(&header, own));
	header.destination = STR("B.example:8448");
	assert_false(x_matrix_is_for(&header, own));
	header.destination = STR("");
	assert_false(x_matrix_is_for(&header, own));
	header.destination = str_from(NULL, 0);
	assert_true(x_matrix_is_for(&header, own));
}

static void verify__each_part_changed__false(void **state)
{
	(void)state;
	static const unsigned char seed[ED25519_SEED_BYTES] = {4};
	struct event_signer signer = {
		.server = {STR("a.example")},
		.key_id = STR("ed25519:1"),
		.key = ed25519_key_create(seed),
	};
	unsigned char bytes[ED25519_PUBLIC_BYTES];
	ed25519_public(signer.key, bytes);
	struct str key = str_from((const char *)bytes, sizeof(bytes));
	struct json content = json_object(arena, 0);
	content = json_with(arena, &content, STR("b"), json_integer(1));
	struct json other = json_with(arena, &content, STR("a"), json_integer(1));
	const struct x_matrix_request request = {
		.method = STR("PUT"),
		.uri = STR("/_matrix/federation/v1/send/1?a=%2F"),
		.origin = {STR("a.example")},
		.destination = {STR("b.example")},
		.content = &content,
	};
	struct x_matrix header;
	assert_true(x_matrix_parse(arena, x_matrix_sign(arena, &request, &signer), &header));
	assert_true(x_matrix_verify(arena, &header, &request, key));
	struct x_matrix_request changed = request;
	changed.method = STR("POST");
	assert_false(x_matrix_verify(arena, &header, &changed, key));
	changed = request;
	changed.uri = STR("/_matrix/federation/v1/send/1?a=/");
	assert_false(x_matrix_verify(arena, &header, &changed, key));
	changed = request;
	changed.origin.s = STR("c.example");
	assert_false(x_matrix_verify(arena, &header, &changed, key));
	changed = request;
	changed.destination.s = STR("c.example");
	assert_false(x_matrix_verify(arena, &header, &changed, key));
	changed = request;
	changed.content = &other;
	assert_false(x_matrix_verify(arena, &header, &changed, key));
	changed.content = NULL;
	assert_false(x_matrix_verify(arena, &header, &changed, key));
	assert_false(x_matrix_verify(arena, &header, &request, str_slice(key, 0, 31)));
	struct x_matrix forged = header;
	forged.key_id = STR("rsa:1");
	assert_false(x_matrix_verify(arena, &forged, &request, key));
	forged = header;
	forged.origin.s = STR("c.example");
	assert_false(x_matrix_verify(arena, &forged, &request, key));
	forged = header;
	forged.signature = STR("*");
	assert_false(x_matrix_verify(arena, &forged, &request, key));
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__lenient_forms__accepted),
		cmocka_unit_test(parse__malformed__refused),
		cmocka_unit_test(is_for__destinations__exact_or_absent),
		cmocka_unit_test(verify__each_part_changed__false),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
