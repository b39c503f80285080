/*
 * Claims that share statements; the database's part is played by `claimer`, whose statements end when a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "e2ee/claim_queue.h"

enum { AT_ONCE = 1, MANY = 101, STATEMENTS = 16, SHORT_MS = 50, HANG_S = 20 };

/* What the claimer was asked, and what it answers. */
struct desk {
	struct lock lock;
	struct cond changed;
	size_t begun;               /* guarded by lock, as all below */
	size_t triples[STATEMENTS]; /* of each statement */
	bool may_end[STATEMENTS];
	bool fails[STATEMENTS];
	size_t given[STATEMENTS]; /* keys before it fails */
};

/* Every statement's own key of a triple is called like the triple's user. */
static enum err claimer(struct ctx *ctx, struct db *db, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count)
{
	struct desk *desk = (struct desk *)(void *)db;
	LOCK_SCOPE(&desk->lock);
	size_t number = desk->begun++;
	desk->triples[number] = claim->count;
	cond_broadcast(&desk->changed);
	while (!desk->may_end[number]) {
		cond_wait(&desk->changed, &desk->lock);
	}
	*out = ARENA_NEW_ARRAY(ctx->arena, struct claimed_key, claim->count);
	*out_count = desk->fails[number] ? desk->given[number] : claim->count;
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct claimed_key){i, str_dup(ctx->arena, claim->user_ids[i]), STR("{}")};
	}
	return desk->fails[number] ? fail_cause(ctx, ERR_STORE, "as the test wants it") : ERR_OK;
}

struct world {
	struct desk desk;
	struct claim_queue *queue;
};

static int set_up(void **state)
{
	struct world *world = mem_alloc(sizeof(*world));
	lock_init(&world->desk.lock, RANK_LEAF);
	cond_init(&world->desk.changed);
	world->queue = claim_queue_create((struct db *)(void *)&world->desk, claimer);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	claim_queue_destroy(world->queue); /* nobody may be left in it */
	cond_fini(&world->desk.changed);
	lock_fini(&world->desk.lock);
	mem_free(world);
	return 0;
}

static void wait_begun(struct world *world, size_t statements)
{
	struct desk *desk = &world->desk;
	LOCK_SCOPE(&desk->lock);
	while (desk->begun < statements) {
		cond_wait(&desk->changed, &desk->lock);
	}
}

static void end_statement(struct world *world, size_t number, bool fails)
{
	struct desk *desk = &world->desk;
	LOCK_SCOPE(&desk->lock);
	desk->may_end[number] = true;
	desk->fails[number] = fails;
	cond_broadcast(&desk->changed);
}

/* --- callers ------------------------------------------------------------------------------------------------ */

struct caller {
	struct claim_queue *queue;
	struct str user_id; /* whose key it wants */
	size_t count;       /* so many; all of the same device */
	int64_t time_ms;    /* 0: as much as it takes */
	pthread_t thread;
	enum err err;
	bool has_own_key;
	atomic_bool is_over;
};

/* Its texts go with its arena when it is answered: who used them then would be found by AddressSanitizer. */
static void *call(void *data)
{
	struct caller *caller = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.deadline_ms = caller->time_ms > 0 ? clock_os_ms() + caller->time_ms : 0;
	struct str user_id = str_dup(arena, caller->user_id);
	struct str *users = ARENA_NEW_ARRAY(arena, struct str, caller->count);
	struct str *devices = ARENA_NEW_ARRAY(arena, struct str, caller->count);
	struct str *algorithms = ARENA_NEW_ARRAY(arena, struct str, caller->count);
	for (size_t i = 0; i < caller->count; i++) {
		users[i] = user_id;
		devices[i] = str_dup(arena, STR("PHONE"));
		algorithms[i] = str_dup(arena, STR("signed_curve25519"));
	}
	const struct key_claim claim = {users, devices, algorithms, caller->count};
	struct claimed_key *keys = NULL;
	size_t n = 0;
	caller->err = claim_queue_take(&ctx, caller->queue, &claim, &keys, &n);
	caller->has_own_key = caller->err == ERR_OK && n == caller->count && keys[0].index == 0 &&
		str_equals(keys[0].key_id, caller->user_id);
	atomic_store(&caller->is_over, true);
	return NULL;
}

static void begin_of(struct world *world, struct caller *caller, struct str user_id, size_t count,
	int64_t time_ms)
{
	*caller = (struct caller){.queue = world->queue,
		.user_id = user_id,
		.count = count,
		.time_ms = time_ms};
	caller->thread = thread_start("caller", call, caller);
}

static void begin(struct world *world, struct caller *caller, struct str user_id, int64_t time_ms)
{
	begin_of(world, caller, user_id, 1, time_ms);
}

/* A caller that is never answered fails the test instead of holding it up. */
static void join(struct caller *caller)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HANG_S;
	assert_int_equal(pthread_timedjoin_np(caller->thread, NULL, &until), 0);
}

static void stand_in_line(struct world *world, struct caller *caller, struct str user_id,
	int64_t time_ms, size_t length)
{
	begin(world, caller, user_id, time_ms);
	while (claim_queue_length(world->queue) < length) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

/* The same, but its time may be over before the line is seen to be as long. Who has not come yet may be the one who leads later. */
static void stand_for_a_moment(struct world *world, struct caller *caller, struct str user_id,
	int64_t time_ms, size_t length)
{
	begin(world, caller, user_id, time_ms);
	while (claim_queue_length(world->queue) < length && !atomic_load(&caller->is_over)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

/* As many statements as may be under way are. */
static void fill(struct world *world, struct caller *callers)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		begin(world, &callers[i], STR("@a:hs"), 0);
		wait_begun(world, i + 1);
	}
}

static void empty(struct world *world, struct caller *callers, size_t from)
{
	for (size_t i = from; i < AT_ONCE; i++) {
		end_statement(world, i, false);
	}
	for (size_t i = 0; i < AT_ONCE; i++) {
		join(&callers[i]);
		assert_true(callers[i].has_own_key);
	}
}

/* --- tests -------------------------------------------------------------------------------------------------- */

static void claims__in_line__share_a_statement_and_get_their_own(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller one;
	struct caller other;
	fill(world, before);
	stand_in_line(world, &one, STR("@one:hs"), 0, 1);
	stand_in_line(world, &other, STR("@other:hs"), 0, 2);
	end_statement(world, 0, false);
	wait_begun(world, AT_ONCE + 1);
	assert_int_equal(world->desk.triples[AT_ONCE], 2);
	end_statement(world, AT_ONCE, false);
	join(&one);
	join(&other);
	assert_true(one.has_own_key && other.has_own_key);
	empty(world, before, 1);
}

static void claim__beside_one_of_many_devices__does_not_wait_for_it(void **state)
{
	struct world *world = *state;
	struct caller large;
	struct caller small;
	struct caller last;
	begin_of(world, &large, STR("@large:hs"), MANY, 0);
	wait_begun(world, 1);
	begin(world, &small, STR("@small:hs"), 0);
	wait_begun(world, 2);
	stand_in_line(world, &last, STR("@last:hs"), 0, 1); /* for the small one is under way */
	end_statement(world, 1, false);
	wait_begun(world, 3);
	end_statement(world, 2, false);
	join(&small);
	join(&last);
	assert_true(small.has_own_key && last.has_own_key);
	end_statement(world, 0, false);
	join(&large);
	assert_true(large.has_own_key);
}

/* Those who do not fit in the statement that is led do not wait for it. */
static void claims__of_more_than_one_statement__two_are_under_way(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller large[5];
	fill(world, before);
	for (size_t i = 0; i < COUNT_OF(large); i++) {
		begin_of(world, &large[i], STR("@large:hs"), MANY, 0);
		while (claim_queue_length(world->queue) < i + 1) {
			(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		}
	}
	end_statement(world, 0, false);
	wait_begun(world, AT_ONCE + 2);
	assert_int_equal(world->desk.triples[AT_ONCE] + world->desk.triples[AT_ONCE + 1],
		COUNT_OF(large) * MANY);
	for (size_t i = 0; i < 2; i++) {
		end_statement(world, AT_ONCE + i, false);
	}
	for (size_t i = 0; i < COUNT_OF(large); i++) {
		join(&large[i]);
		assert_true(large[i].has_own_key);
	}
	empty(world, before, 1);
}

/* Two share a statement that fails after `given` of their keys were taken, as when the leader's time is over; who has none is tried alone. */
static void fail_together(struct world *world, struct caller before[AT_ONCE], struct caller *leader,
	struct caller *follower, size_t given)
{
	fill(world, before);
	stand_in_line(world, leader, STR("@leader:hs"), 0, 1);
	stand_in_line(world, follower, STR("@follower:hs"), 0, 2);
	world->desk.given[AT_ONCE] = given;
	end_statement(world, 0, false);
	wait_begun(world, AT_ONCE + 1);
	end_statement(world, AT_ONCE, true);
	end_statement(world, AT_ONCE + 1, false);
	join(leader);
	join(follower);
}

static void claim__fails_with_its_leaders_statement__is_tried_by_itself(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller leader;
	struct caller follower;
	fail_together(world, before, &leader, &follower, 0);
	assert_int_equal(leader.err, ERR_STORE);
	assert_true(follower.has_own_key);
	assert_int_equal(world->desk.triples[AT_ONCE + 1], 1);
	empty(world, before, 1);
}

static void claims__of_one_device__share_a_statement(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller same[3];
	fill(world, before);
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		stand_in_line(world, &same[i], STR("@same:hs"), 0, i + 1);
	}
	end_statement(world, 0, false);
	wait_begun(world, AT_ONCE + 1);
	assert_int_equal(world->desk.triples[AT_ONCE], COUNT_OF(same));
	end_statement(world, AT_ONCE, false);
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		join(&same[i]);
		assert_true(same[i].has_own_key);
	}
	empty(world, before, 1);
}

/* What was taken before the failure is used up: whose it is has to get it. */
static void claim__fails_when_some_keys_are_taken__they_are_given(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller leader;
	struct caller follower;
	fail_together(world, before, &leader, &follower, 1);
	assert_true(leader.has_own_key && follower.has_own_key);
	assert_int_equal(world->desk.triples[AT_ONCE + 1], 1);
	empty(world, before, 1);
}

static void claim__out_of_time_in_line__goes_and_the_line_goes_on(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller hasty;
	struct caller patient;
	fill(world, before);
	begin(world, &hasty, STR("@hasty:hs"), SHORT_MS);
	join(&hasty); /* while all statements are under way */
	assert_int_equal(hasty.err, ERR_TIMEOUT);
	stand_in_line(world, &patient, STR("@patient:hs"), 0, 1);
	end_statement(world, 0, false);
	wait_begun(world, AT_ONCE + 1);
	assert_int_equal(world->desk.triples[AT_ONCE], 1);
	end_statement(world, AT_ONCE, false);
	join(&patient);
	assert_true(patient.has_own_key);
	empty(world, before, 1);
}

/*
 * However slow the machine: when the hasty one's time is over before the others' statement begins, it goes from the line, and all
 * that is asserted holds as well.
 */
static void claim__out_of_time_with_its_leader__goes_and_the_leader_goes_on(void **state)
{
	struct world *world = *state;
	struct caller before[AT_ONCE];
	struct caller leader;
	struct caller hasty;
	struct caller last;
	fill(world, before);
	stand_in_line(world, &leader, STR("@leader:hs"), 0, 1);
	stand_for_a_moment(world, &hasty, STR("@hasty:hs"), (int64_t)4 * SHORT_MS, 2);
	stand_in_line(world, &last, STR("@last:hs"), 0, 2);
	end_statement(world, 0, false);
	wait_begun(world, AT_ONCE + 1);
	join(&hasty); /* while the leader's statement is under way */
	assert_int_equal(hasty.err, ERR_TIMEOUT);
	end_statement(world, AT_ONCE, false);
	end_statement(world, AT_ONCE + 1, false); /* should the last one have come too late for that */
	join(&leader);
	join(&last);
	assert_true(leader.has_own_key && last.has_own_key);
	empty(world, before, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(claims__in_line__share_a_statement_and_get_their_own,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(claim__beside_one_of_many_devices__does_not_wait_for_it,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(claims__of_more_than_one_statement__two_are_under_way,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(claim__fails_with_its_leaders_statement__is_tried_by_itself,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(claims__of_one_device__share_a_statement, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(claim__fails_when_some_keys_are_taken__they_are_given,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(claim__out_of_time_in_line__goes_and_the_line_goes_on,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			claim__out_of_time_with_its_leader__goes_and_the_leader_goes_on, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("claim_queue", tests, NULL, NULL);
}
