/*
 * Steps as far as they were asked for: what is known of them is what all of them say.
 */
#include "homeserver/room/room_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

enum { STEPS_MOST = 30, FIRST = -10, LAST = 80, ROUNDS = 300, ASKS = 12 };

struct past {
	struct room_step steps[STEPS_MOST];
	size_t n;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005U + 1442695040888963407U;
	return *seed >> 33;
}

static struct past make_past(uint64_t *seed)
{
	struct past past = {.n = next_random(seed) % STEPS_MOST};
	int64_t position = (int64_t)(next_random(seed) % 10);
	for (size_t i = 0; i < past.n; i++) {
		past.steps[i].from_position = position;
		position += 1 + (int64_t)(next_random(seed) % 3);
		past.steps[i].to_position = i + 1 == past.n ? INT64_MAX : position;
		past.steps[i].value = (int)i + 1;
		position += next_random(seed) % 8 == 0 ? 2 : 0; /* the state lost the entry for a while */
	}
	return past;
}

static const struct room_step *all_at(const struct past *past, int64_t position)
{
	const struct room_step *found = NULL;
	for (size_t i = 0; i < past->n && past->steps[i].from_position <= position; i++) {
		found = &past->steps[i];
	}
	return found;
}

static void check(const struct past *past, const struct room_steps *steps, int64_t position)
{
	const struct room_step *wanted = all_at(past, position);
	const struct room_step *found = room_steps_at(steps, position);
	assert_int_equal(found != NULL ? found->value : 0, wanted != NULL ? wanted->value : 0);
}

static void steps__asked_in_any_order__what_is_known_is_right(void **state)
{
	(void)state;
	uint64_t seed = 5;
	size_t known = 0;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t round = 0; round < ROUNDS; round++) {
		const struct past past = make_past(&seed);
		struct room_steps steps = {0};
		int64_t asked[ASKS];
		for (size_t i = 0; i < ASKS; i++) {
			asked[i] = FIRST + (int64_t)(next_random(&seed) % (LAST - FIRST));
			const struct room_step *step = all_at(&past, asked[i]);
			if (step != NULL) {
				(void)room_steps_add(arena, &steps, step);
				assert_null(room_steps_add(arena, &steps, step));
			}
			room_steps_asked(&steps, asked[i]);
			for (size_t k = 0; k <= i; k++) {
				assert_true(room_steps_know(&steps, asked[k]));
			}
			for (int64_t position = FIRST; position < LAST; position++) {
				if (room_steps_know(&steps, position)) {
					known++;
					check(&past, &steps, position);
				}
			}
		}
	}
	assert_true(known > (size_t)ROUNDS * ASKS * 20); /* more than what was asked for */
}

static void steps__nothing_asked__nothing_is_known(void **state)
{
	(void)state;
	const struct room_steps steps = {0};
	assert_false(room_steps_know(&steps, 0));
	assert_false(room_steps_know(&steps, INT64_MIN));
	assert_null(room_steps_at(&steps, INT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps__asked_in_any_order__what_is_known_is_right),
		cmocka_unit_test(steps__nothing_asked__nothing_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
