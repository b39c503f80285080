/*
 * The bump allocator: alignment, zeroing, growth, resets and their hooks.
 */
#include "check.h"

#include "base/arena_sized.h"

static void alloc__many_sizes__aligned_zeroed_and_apart(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	unsigned char *blocks[200];
	for (size_t i = 0; i < COUNT_OF(blocks); i++) {
		size_t n = i * 37 + 1;
		blocks[i] = arena_alloc(arena, n);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(blocks[i][k], 0);
		}
		memset(blocks[i], (int)i, n);
	}
	for (size_t i = 0; i < COUNT_OF(blocks); i++) {
		for (size_t k = 0; k < i * 37 + 1; k++) {
			assert_int_equal(blocks[i][k], (unsigned char)i);
		}
	}
}

static void alloc__nothing_and_very_much__works(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_non_null(arena_alloc(arena, 0));
	char *large = arena_alloc(arena, 5 << 20);
	large[(5 << 20) - 1] = 'x';
	assert_true(arena_used_bytes(arena) >= 5 << 20);
	arena_reset(arena);
	assert_int_equal(arena_used_bytes(arena), 0);
	char *again = arena_alloc(arena, 100);
	assert_int_equal(again[99], 0);
}

static void alloc__sized__holds_little_more_than_is_used(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create_sized(1000);
	(void)arena_alloc(arena, 900);
	assert_in_range(arena_held_bytes(arena), 1000, 1200);
	(void)arena_alloc(arena, 200);
	assert_in_range(arena_held_bytes(arena), 2024, 2300);
	memset(arena_alloc(arena, 5000), 1, 5000);
	assert_in_range(arena_held_bytes(arena), 7024, 7400);
}

static void alloc__after_reset__zeroed_again(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (int round = 0; round < 3; round++) {
		unsigned char *p = arena_alloc(arena, 4000);
		for (size_t i = 0; i < 4000; i++) {
			assert_int_equal(p[i], 0);
		}
		memset(p, 0xAB, 4000);
		arena_reset(arena);
	}
}

static void dup__bytes_with_nul__copied_and_terminated(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	char *copy = arena_dup(arena, "a\0b", 3);
	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(arena_dup(arena, NULL, 0), "");
}

static void printf__short_and_long__whole(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_string_equal(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
	char *text = arena_printf(arena, "%0*d|", 5000, 1);
	assert_int_equal(strlen(text), 5001);
	assert_string_equal(text + 4999, "1|");
	/* The border between the two ways. */
	for (int n = 250; n < 260; n++) {
		assert_int_equal(strlen(arena_printf(arena, "%0*d", n, 1)), n);
	}
}

struct order {
	int calls[8];
	size_t n;
};

struct hook {
	struct order *order;
	int id;
};

static void note(void *data)
{
	const struct hook *hook = data;
	hook->order->calls[hook->order->n++] = hook->id;
}

static void on_reset__several__newest_first_and_once(void **state)
{
	(void)state;
	struct order order = {0};
	struct hook hooks[] = {{&order, 1}, {&order, 2}, {&order, 3}};
	struct arena *arena = arena_create();
	arena_on_reset(arena, note, &hooks[0]);
	arena_on_reset(arena, note, &hooks[1]);
	arena_reset(arena);
	assert_int_equal(order.n, 2);
	assert_int_equal(order.calls[0], 2);
	assert_int_equal(order.calls[1], 1);
	arena_on_reset(arena, note, &hooks[2]);
	arena_destroy(arena);
	assert_int_equal(order.n, 3);
	assert_int_equal(order.calls[2], 3);
}

static void destroy__null__nothing(void **state)
{
	(void)state;
	arena_destroy(NULL);
}

static void overflow(void *data)
{
	(void)arena_alloc_array(data, SIZE_MAX / 2, 4);
}

static void alloc_array__overflow__ends_process(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_true(ends_process(overflow, arena));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alloc__many_sizes__aligned_zeroed_and_apart),
		cmocka_unit_test(alloc__nothing_and_very_much__works),
		cmocka_unit_test(alloc__sized__holds_little_more_than_is_used),
		cmocka_unit_test(alloc__after_reset__zeroed_again),
		cmocka_unit_test(dup__bytes_with_nul__copied_and_terminated),
		cmocka_unit_test(printf__short_and_long__whole),
		cmocka_unit_test(on_reset__several__newest_first_and_once),
		cmocka_unit_test(destroy__null__nothing),
		cmocka_unit_test(alloc_array__overflow__ends_process),
	};
	return RUN_ALL(tests);
}
