/*
 * Who gets the places of transactions: those that fail, are silent or slow have parts of them, and come after the others.
 */
#include "federation/outbox_inner.h"
#include "homeserver/homeserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NOW_MS = 1000000, BUDGET = 1000 };

static struct homeserver hs;
static struct outbox outbox;

static int set_up(void **state)
{
	(void)state;
	hs.settings.federation.transaction_timeout_ms = 30000;
	hs.settings.federation.transaction_budget_bytes = BUDGET;
	outbox = (struct outbox){.hs = &hs};
	return 0;
}

/* Never failed, failed and silent since, failed and heard of since, takes its time; the last two together. */
static const struct destination well;
static const struct destination silent = {.failures = 1, .interval_ms = 1000, .retry_at_ms = 1};
static const struct destination heard_of = {.failures = 1, .retry_at_ms = 1};
static const struct destination slow = {.is_slow = true};
static const struct destination slow_and_heard_of = {.failures = 1,
	.retry_at_ms = 1,
	.is_slow = true};

static struct flight flight_to(const struct destination *destination, int64_t age_ms)
{
	return (struct flight){.outbox = &outbox,
		.begun_mono_ms = NOW_MS - age_ms,
		.is_probe = outbox_is_probe(destination),
		.is_guess = outbox_is_guess(destination),
		.is_slow = destination->is_slow};
}

/* How many more of that kind get a place. */
static size_t start_all(struct places *places, const struct destination *destination)
{
	size_t n = 0;
	while (outbox_has_place_locked(&outbox, destination, places)) {
		const struct flight flight = flight_to(destination, 0);
		outbox_place_count(places, &flight, NOW_MS);
		outbox.flying++;
		n++;
	}
	return n;
}

static void places__of_each_kind__its_part_and_the_rest_for_others(void **state)
{
	(void)state;
	struct places places = {0};
	assert_int_equal(start_all(&places, &silent), OUTBOX_GUESSES_MAX);
	assert_int_equal(start_all(&places, &slow_and_heard_of),
		OUTBOX_DOUBTS_MAX - OUTBOX_GUESSES_MAX);
	assert_int_equal(start_all(&places, &heard_of), OUTBOX_PROBES_MAX - OUTBOX_DOUBTS_MAX);
	assert_int_equal(start_all(&places, &well), OUTBOX_FLIGHTS_MAX - OUTBOX_PROBES_MAX);
}

/* Those that never fail, but take each transaction as long as they may. */
static void places__the_slow__half_of_all(void **state)
{
	(void)state;
	struct places places = {0};
	assert_int_equal(start_all(&places, &slow), OUTBOX_SLOW_MAX);
	assert_false(outbox_has_place_locked(&outbox, &slow_and_heard_of, &places));
	assert_int_equal(start_all(&places, &silent), OUTBOX_GUESSES_MAX);
	assert_int_equal(start_all(&places, &well),
		OUTBOX_FLIGHTS_MAX - OUTBOX_SLOW_MAX - OUTBOX_GUESSES_MAX);
}

static void places__a_probe_without_an_answer__gives_its_place_on(void **state)
{
	(void)state;
	const int64_t place_ms = outbox_place_ms(&outbox);
	const struct flight young = flight_to(&silent, place_ms - 1);
	const struct flight old = flight_to(&silent, place_ms);
	struct places places = {0};
	outbox_place_count(&places, &old, NOW_MS);
	assert_int_equal(places.probing + places.guessing + places.doubting, 0);
	outbox_place_count(&places, &young, NOW_MS);
	assert_int_equal(places.probing + places.guessing + places.doubting, 3);
	/* What is slow is so until it ends. */
	const struct flight late = flight_to(&slow, 2 * place_ms);
	outbox_place_count(&places, &late, NOW_MS);
	assert_int_equal(places.slow, 1);
	assert_int_equal(places.probing, 1);
}

static void places__bodies__the_slow_have_half_of_the_budget(void **state)
{
	(void)state;
	struct places places = {0};
	struct flight large = flight_to(&slow, 0);
	large.body_bytes = BUDGET / 2;
	outbox_place_count(&places, &large, NOW_MS);
	outbox.flying_bytes = BUDGET / 2;
	assert_false(outbox_has_place_locked(&outbox, &slow, &places));
	assert_true(outbox_has_place_locked(&outbox, &well, &places));
	outbox.flying_bytes = BUDGET;
	assert_false(outbox_has_place_locked(&outbox, &well, &places));
}

/* Memory of who was slow ends with the process. What the database has of one that failed is an interval: it is silent until it is heard of. */
static void places__slow_and_failed_before_a_restart__still_doubtful(void **state)
{
	(void)state;
	struct places places = {0};
	struct destination again = slow_and_heard_of;
	again.is_slow = false;
	again.interval_ms = 1000;
	assert_int_equal(start_all(&places, &again), OUTBOX_GUESSES_MAX);
	assert_int_equal(start_all(&places, &heard_of), OUTBOX_PROBES_MAX - OUTBOX_GUESSES_MAX);
}

static struct destination tried(struct destination destination, int64_t failures, int64_t at_ms)
{
	destination.failures = failures;
	destination.tried_at_ms = at_ms;
	return destination;
}

static void order__who_is_due__the_doubtful_last_by_failures_then_by_when_tried(void **state)
{
	(void)state;
	struct destination list[] = {
		tried(well, 0, 0), /* a name that is new */
		tried(heard_of, 50,
			1), /* away for long, and there again: after whoever waits for longer, before all later ones */
		tried(slow, 0, 2), /* it fails nobody */
		tried(well, 0, 3),
		tried(heard_of, 1, 4),
		tried(silent, 1, 5),
		tried(slow_and_heard_of, 1, 6),
		tried(silent, 1, 7),
		tried(silent, 2, 0),
		tried(silent, 50, 0),
	};
	struct destination *due[COUNT_OF(list)];
	for (size_t i = 0; i < COUNT_OF(list); i++) {
		due[i] = &list[(i * 7) % COUNT_OF(list)];
	}
	qsort(due, COUNT_OF(due), sizeof(*due), outbox_compare_due);
	for (size_t i = 0; i < COUNT_OF(list); i++) {
		assert_ptr_equal(due[i], &list[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(places__of_each_kind__its_part_and_the_rest_for_others, set_up),
		cmocka_unit_test_setup(places__the_slow__half_of_all, set_up),
		cmocka_unit_test_setup(places__a_probe_without_an_answer__gives_its_place_on, set_up),
		cmocka_unit_test_setup(places__bodies__the_slow_have_half_of_the_budget, set_up),
		cmocka_unit_test_setup(places__slow_and_failed_before_a_restart__still_doubtful, set_up),
		cmocka_unit_test_setup(order__who_is_due__the_doubtful_last_by_failures_then_by_when_tried,
			set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
