/* A thread that works in rounds: woken, in trouble, and at its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

#include "base/clock.h"
#include "base/lock.h"
#include "base/rounds.h"

enum { LONG_MS = 3600 * 1000, WAIT_MS = 60 * 1000 };

/* What a thread does, and what it did. */
struct work {
	struct rounds *rounds;
	struct lock lock;
	struct cond changed;
	int rounds_n; /* guarded by lock, like all below */
	int ends_n;
	int failures; /* so many rounds are to fail */
	bool wakes_itself;
	bool is_held; /* a round is to wait until it is not */
};

static enum err work_round(void *self, struct ctx *ctx, int64_t *out_pause_ms)
{
	struct work *work = self;
	LOCK_SCOPE(&work->lock);
	assert_true(ctx->deadline_ms > clock_os_ms());
	assert_int_equal(ctx->fault.err, ERR_OK);
	assert_int_equal(work->ends_n, 0);
	work->rounds_n++;
	cond_broadcast(&work->changed);
	while (work->is_held) {
		cond_wait(&work->changed, &work->lock);
	}
	if (work->wakes_itself && work->rounds_n < 5) {
		rounds_wake(work->rounds); /* with a lock held */
	}
	*out_pause_ms = LONG_MS;
	return work->failures-- > 0 ? fail(ctx, ERR_STORE, NULL, "on purpose") : ERR_OK;
}

static void work_end(void *self, struct ctx *ctx)
{
	struct work *work = self;
	LOCK_SCOPE(&work->lock);
	assert_int_equal(ctx->fault.err, ERR_OK);
	work->ends_n++;
}

static int set_up(void **state)
{
	static struct work work;
	work = (struct work){0};
	lock_init(&work.lock, RANK_LEAF);
	cond_init(&work.changed);
	work.rounds = rounds_create(&(struct rounds_def){.name = "test",
		.limit_ms = LONG_MS,
		.run = work_round,
		.end = work_end,
		.self = &work});
	*state = &work;
	return 0;
}

static int tear_down(void **state)
{
	struct work *work = *state;
	rounds_destroy(work->rounds);
	cond_fini(&work->changed);
	lock_fini(&work->lock);
	return 0;
}

static void await_rounds(struct work *work, int count)
{
	int64_t until_ms = clock_os_ms() + WAIT_MS;
	LOCK_SCOPE(&work->lock);
	while (work->rounds_n < count) {
		assert_true(cond_wait_until(&work->changed, &work->lock, until_ms));
	}
}

static int rounds_of(struct work *work)
{
	LOCK_SCOPE(&work->lock);
	return work->rounds_n;
}

static void rounds__started__one_at_once_and_one_for_each_wake(void **state)
{
	struct work *work = *state;
	rounds_start(work->rounds);
	await_rounds(work, 1);
	for (int i = 2; i < 5; i++) {
		rounds_wake(work->rounds);
		await_rounds(work, i);
	}
}

static void rounds__woken_while_one_runs__exactly_one_more(void **state)
{
	struct work *work = *state;
	work->is_held = true;
	rounds_start(work->rounds);
	await_rounds(work, 1);
	for (int i = 0; i < 3; i++) {
		rounds_wake(work->rounds);
	}
	lock_take(&work->lock);
	work->is_held = false;
	cond_broadcast(&work->changed);
	lock_give(&work->lock);
	await_rounds(work, 2);
	rounds_stop(work->rounds);
	assert_int_equal(rounds_of(work), 2);
}

static void rounds__woken_from_within__goes_on(void **state)
{
	struct work *work = *state;
	work->wakes_itself = true;
	rounds_start(work->rounds);
	await_rounds(work, 5);
}

static void rounds__one_fails__tried_again_without_a_wake(void **state)
{
	struct work *work = *state;
	work->failures = 1;
	rounds_start(work->rounds);
	await_rounds(work, 2);
}

static void rounds__stopped__ended_once_and_no_more(void **state)
{
	struct work *work = *state;
	rounds_wake(work->rounds); /* before the start, too */
	rounds_start(work->rounds);
	await_rounds(work, 1);
	assert_false(rounds_is_stopping(work->rounds));
	rounds_stop(work->rounds); /* out of a pause of an hour */
	assert_true(rounds_is_stopping(work->rounds));
	assert_int_equal(work->ends_n, 1);
	int count = rounds_of(work);
	rounds_wake(work->rounds);
	rounds_stop(work->rounds);
	assert_int_equal(work->ends_n, 1);
	assert_int_equal(rounds_of(work), count);
}

static void rounds__never_started__ends(void **state)
{
	struct work *work = *state;
	rounds_wake(work->rounds);
	rounds_stop(work->rounds);
	assert_int_equal(work->rounds_n + work->ends_n, 0);
	rounds_destroy(NULL);
	rounds_stop(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(rounds__started__one_at_once_and_one_for_each_wake),
		TEST(rounds__woken_while_one_runs__exactly_one_more),
		TEST(rounds__woken_from_within__goes_on),
		TEST(rounds__one_fails__tried_again_without_a_wake),
		TEST(rounds__stopped__ended_once_and_no_more),
		TEST(rounds__never_started__ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
