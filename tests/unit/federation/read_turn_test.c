/*
 * Turns to read large answers: one alone, several within the budget, and who waits until another is given up.
 */
#include "federation/read_turn.h"

#include "base/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { HALF_MIB = 512 * 1024, ALL = 20, LONG_MS = 60 * 1000 };

static struct homeserver hs;
static struct federation federation;

static int start(void **state)
{
	(void)state;
	hs.clock = clock_os();
	federation =
		(struct federation){.hs = &hs, .read_turns = read_turns_create((size_t)ALL * HALF_MIB)};
	return 0;
}

static int stop(void **state)
{
	(void)state;
	read_turns_destroy(federation.read_turns);
	return 0;
}

/* Who reads, with an arena of its own. */
struct reader {
	struct ctx ctx;
	size_t bytes;
	enum err err;
};

static struct reader *reader(size_t half_mibs, int64_t wait_ms)
{
	struct arena *arena = arena_create();
	struct reader *reader = ARENA_NEW(arena, struct reader);
	ctx_init(&reader->ctx, arena);
	reader->ctx.deadline_ms = clock_os_ms() + wait_ms;
	reader->bytes = half_mibs * HALF_MIB;
	return reader;
}

static void end(struct reader *reader)
{
	arena_destroy(reader->ctx.arena);
}

static enum err take(struct reader *reader)
{
	return read_turn_take(&reader->ctx, &federation, STR("an answer"), reader->bytes);
}

static void *run(void *data)
{
	struct reader *reader = data;
	reader->err = take(reader);
	return NULL;
}

static void take__one_alone__however_large(void **state)
{
	(void)state;
	struct reader *large = reader((size_t)ALL * 3, 0);
	struct reader *small = reader(1, 0);
	assert_int_equal(take(large), ERR_OK);
	assert_int_equal(take(small), ERR_OK); /* not counted */
	end(small);
	end(large);
}

static void take__no_room_in_time__timeout(void **state)
{
	(void)state;
	struct reader *first = reader(14, 0);
	struct reader *late = reader(8, 10);
	struct reader *other = reader(6, 10);
	assert_int_equal(take(first), ERR_OK);
	assert_int_equal(take(late), ERR_TIMEOUT);
	assert_int_equal(take(other), ERR_OK); /* who waits in vain keeps nobody out */
	end(first);
	struct reader *next = reader(14, 10);
	assert_int_equal(take(next), ERR_OK); /* nor later */
	end(next);
	end(late);
	end(other);
}

static void take__over_the_budget__waits_until_another_is_given_up(void **state)
{
	(void)state;
	struct reader *first = reader(14, 0);
	struct reader *second = reader(14, LONG_MS);
	assert_int_equal(take(first), ERR_OK);
	pthread_t thread = thread_start("reader", run, second);
	end(first);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(second->err, ERR_OK);
	struct reader *third = reader(14, 10);
	assert_int_equal(take(third), ERR_TIMEOUT); /* the second has it now */
	end(third);
	end(second);
}

static void stop__while_a_thread_waits__told_so(void **state)
{
	(void)state;
	struct reader *first = reader(14, 0);
	struct reader *second = reader(14, LONG_MS);
	assert_int_equal(take(first), ERR_OK);
	pthread_t thread = thread_start("reader", run, second);
	read_turns_stop(federation.read_turns);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(second->err, ERR_SHUTDOWN);
	end(second);
	end(first);
}

static void bytes__of_an_answer__follow_from_its_length_and_its_values(void **state)
{
	(void)state;
	assert_int_equal(read_turn_bytes(0, 1000), 64);
	assert_int_equal(read_turn_bytes(1000, 10), 1000 + 640);
	assert_int_equal(read_turn_bytes(1000, 10000), 1000 + 501 * 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)
		TEST(take__one_alone__however_large),
		TEST(take__no_room_in_time__timeout),
		TEST(take__over_the_budget__waits_until_another_is_given_up),
		TEST(stop__while_a_thread_waits__told_so),
		TEST(bytes__of_an_answer__follow_from_its_length_and_its_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
