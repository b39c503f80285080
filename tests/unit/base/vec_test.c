/*
 * Typed growing arrays.
 */
#include "check.h"

#include "base/vec.h"

struct pair {
	int a;
	char b;
};

static void push__many__all_there_in_order(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	VEC(struct pair) pairs = {0};
	for (int i = 0; i < 10000; i++) {
		VEC_PUSH(arena, &pairs, ((struct pair){i, (char)i}));
	}
	assert_int_equal(pairs.n, 10000);
	assert_true(pairs.capacity >= 10000);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(pairs.p[i].a, i);
		assert_int_equal(pairs.p[i].b, (char)i);
	}
}

static void push__onto_slice_of_old__old_array_unchanged(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	VEC(int) numbers = {0};
	for (int i = 0; i < 8; i++) {
		VEC_PUSH(arena, &numbers, i);
	}
	const int *old = numbers.p;
	VEC_PUSH(arena, &numbers, 8);
	assert_true(numbers.p != old);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(old[i], i);
		assert_int_equal(numbers.p[i], i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push__many__all_there_in_order),
		cmocka_unit_test(push__onto_slice_of_old__old_array_unchanged),
	};
	return RUN_ALL(tests);
}
