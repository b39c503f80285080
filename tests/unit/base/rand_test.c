/*
 * Random texts: their alphabets, rejection instead of bias, and the operating system's source.
 */
#include "check.h"

#include "base/rand.h"

/* A source that counts upwards: every byte value comes equally often. */
static void count_up(void *self, void *out, size_t size_bytes)
{
	unsigned char *next = self;
	unsigned char *bytes = out;
	for (size_t i = 0; i < size_bytes; i++) {
		bytes[i] = (*next)++;
	}
}

static void text__even_source__every_character_equally_often(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	unsigned char next = 0;
	struct rng rng = {.fill = count_up, .self = &next};
	struct str text = rng_text(&rng, arena, 248);
	size_t counts[256] = {0};
	for (size_t i = 0; i < text.n; i++) {
		counts[(unsigned char)text.p[i]]++;
	}
	for (int c = 0; c < 256; c++) {
		bool is_member = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		assert_int_equal(counts[c], is_member ? 4 : 0);
	}
}

static void upper__even_source__only_capitals(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	unsigned char next = 0;
	struct rng rng = {.fill = count_up, .self = &next};
	struct str text = rng_upper(&rng, arena, 234);
	size_t counts[256] = {0};
	for (size_t i = 0; i < text.n; i++) {
		counts[(unsigned char)text.p[i]]++;
	}
	for (int c = 'A'; c <= 'Z'; c++) {
		assert_int_equal(counts[c], 9);
	}
}

static void text__no_length__empty(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct rng rng = rng_os();
	assert_int_equal(rng_text(&rng, arena, 0).n, 0);
}

static void os__two_draws__differ(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct rng rng = rng_os();
	assert_false(str_equals(rng_text(&rng, arena, 32), rng_text(&rng, arena, 32)));
	assert_true(rng_u64(&rng) != rng_u64(&rng));
	/* More than the 256 bytes that the kernel gives without interruption. */
	unsigned char *many = arena_alloc(arena, 100000);
	rng_fill(&rng, many, 100000);
	size_t zeros = 0;
	for (size_t i = 0; i < 100000; i++) {
		zeros += many[i] == 0;
	}
	assert_in_range(zeros, 200, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text__even_source__every_character_equally_often),
		cmocka_unit_test(upper__even_source__only_capitals),
		cmocka_unit_test(text__no_length__empty),
		cmocka_unit_test(os__two_draws__differ),
	};
	return RUN_ALL(tests);
}
