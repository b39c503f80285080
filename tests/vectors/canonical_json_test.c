/*
 * canonical_json.json: the specification's examples.
 */
#include "tests/vectors/spec_vectors.h"

#include "matrix/canonical.h"

static void sec_5_41__canonical_text_every_case__exact(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *cases = vectors_get(vectors_read(arena, "canonical_json.json"), "cases");
	assert_int_equal(cases->count, 10);
	for (size_t i = 0; i < cases->count; i++) {
		struct json input;
		assert_int_equal(
			json_parse(arena, vectors_str(&cases->items[i], "input_text"), NULL, &input, NULL),
			JSON_OK);
		assert_same_text(canonical_text(arena, &input), vectors_str(&cases->items[i], "canonical"));
		/* The last case shows the transformation of what strict versions refuse. */
		assert_int_equal(canonical_is_strict(&input), i + 1 < cases->count);
	}
}

static void integer_range__as_published__limits_are_those(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *range =
		vectors_get(vectors_read(arena, "canonical_json.json"), "integer_range");
	for (size_t i = 0; i < 2; i++) {
		struct json limit = range->items[i];
		assert_true(limit.integer == (i == 0 ? -CANONICAL_INT_MAX : CANONICAL_INT_MAX));
		assert_true(canonical_is_strict(&limit));
		limit.integer += i == 0 ? -1 : 1;
		assert_false(canonical_is_strict(&limit));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sec_5_41__canonical_text_every_case__exact),
		cmocka_unit_test(integer_range__as_published__limits_are_those),
	};
	return RUN_ALL(tests);
}
