/*
 * unpadded_base64.json.
 */
#include "tests/vectors/spec_vectors.h"

#include "base/b64.h"

static void base64__every_case__both_ways(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *cases = vectors_get(vectors_read(arena, "unpadded_base64.json"), "cases");
	assert_int_equal(cases->count, 7);
	for (size_t i = 0; i < cases->count; i++) {
		struct str bytes = vectors_str(&cases->items[i], "bytes_utf8");
		struct str text = vectors_str(&cases->items[i], "base64");
		struct str decoded;
		assert_same_text(b64_encode(arena, bytes), text);
		assert_true(b64_decode(arena, text, &decoded));
		assert_same_text(decoded, bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(base64__every_case__both_ways)};
	return RUN_ALL(tests);
}
