/*
 * Stream consumers on a real PostgreSQL: everything published is dealt with in order, once, by one of several processes, also when rounds
 * fail, when the process ends, and when the connection that keeps the lease breaks.
 */
#include "homeserver/consumer.h"

#include "base/lock.h"
#include "base/mem.h"
#include "gen/stmt_ids.h"
#include "storage/consumer.h"
#include "storage/room.h"
#include "tests/sim/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { LIMIT_MS = 60 * 1000, STEP = 3 };

/* Who saves a round's end: the service; the consumer in a transaction of its own; the consumer, without a flush. */
enum saving { SAVING_SERVICE, SAVING_ITSELF, SAVING_SKIPS };

/* What a consumer of these tests has seen; one for each process. */
struct seen {
	_Atomic int64_t rounds;
	_Atomic int64_t dealt; /* sum of the lengths of its rounds */
	_Atomic int64_t last;  /* where the last round ended */
	_Atomic bool is_out_of_order;
	_Atomic int failures_left;
	enum saving saving;
	uint32_t follows; /* 0: all */
	bool from_now;
};

static struct homeserver hs;
static struct str url;
static struct lock both_lock; /* also while one of them is told: it is not destroyed meanwhile */
static struct consumers *both[2];
static _Atomic uint32_t said_kinds; /* of what is published; 0: as the writer says */

static void on_published(void *self, int64_t position, uint32_t kinds)
{
	(void)self;
	LOCK_SCOPE(&both_lock);
	for (size_t i = 0; i < COUNT_OF(both); i++) {
		if (both[i] != NULL) {
			consumers_published(both[i], position,
				atomic_load(&said_kinds) != 0 ? atomic_load(&said_kinds) : kinds);
		}
	}
}

static enum err look(struct ctx *ctx, struct homeserver *server, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	struct seen *seen = self;
	if (atomic_load(&seen->failures_left) > 0) {
		atomic_fetch_add(&seen->failures_left, -1);
		return fail_cause(ctx, ERR_STORE, "as the test wants it");
	}
	int64_t reached = MIN_OF(after + STEP, up_to);
	if (seen->saving == SAVING_SKIPS) {
		TRY(store_consumer_skip(ctx, server->db, STR("looker"), after, reached));
	} else if (seen->saving == SAVING_ITSELF) {
		struct tx *tx CLEANUP(tx_cleanup) = NULL;
		TRY(tx_begin(ctx, server->db, &tx));
		TRY(store_consumer_move_in(ctx, tx, STR("looker"), after, reached));
		TRY(tx_commit(ctx, &tx));
	}
	int64_t last = atomic_exchange(&seen->last, reached);
	if (last != 0 && last != after) {
		atomic_store(&seen->is_out_of_order, true);
	}
	atomic_fetch_add(&seen->rounds, 1);
	atomic_fetch_add(&seen->dealt, reached - after);
	*out_reached = reached;
	return ERR_OK;
}

/* @return the one before */
static struct consumers *set_process(size_t number, struct consumers *consumers)
{
	LOCK_SCOPE(&both_lock);
	struct consumers *before = both[number];
	both[number] = consumers;
	return before;
}

static struct consumers *start_process(size_t number, struct seen *seen)
{
	struct consumers *consumers = consumers_create(&hs);
	consumers_add(consumers,
		&(struct consumer_def){.name = "looker",
			.run = look,
			.self = seen,
			.follows = seen->follows != 0 ? seen->follows : NEWS_ALL,
			.from_now = seen->from_now,
			.saves_itself = seen->saving != SAVING_SERVICE});
	(void)set_process(number, consumers);
	consumers_start(consumers);
	return consumers;
}

static void end_process(size_t number)
{
	consumers_destroy(set_process(number, NULL));
}

/* --- the world -------------------------------------------------------------------------------------------- */

static void run_sql(const char *sql)
{
	char *database = mem_dup(url.p, url.n);
	PGconn *conn = PQconnectdb(database);
	PGresult *result = PQexec(conn, sql);
	assert_int_not_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
	PQclear(result);
	PQfinish(conn);
	mem_free(database);
}

static int set_up_all(void **state)
{
	(void)state;
	lock_init(&both_lock, RANK_LISTENER);
	url = bare_database();
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	run_sql("DELETE FROM consumers");
	atomic_store(&said_kinds, 0);
	bare_start(&hs, url, &(struct settings){0}, on_published);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(both); i++) {
		end_process(i); /* only of a test that failed are there any */
	}
	bare_stop(&hs);
	return 0;
}

/* @return the newest position */
static int64_t publish(int count)
{
	static int number;
	int64_t position = 0;
	for (int i = 0; i < count; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct write *write = write_new(&ctx);
		write_set_positions(write, 1);
		struct str key = str_printf(arena, "key %d", ++number);
		store_transaction_insert(write, key, key, 1);
		assert_int_equal(writer_commit(&ctx, hs.writer, write, &position), ERR_OK);
	}
	return position;
}

static int64_t limit(void)
{
	return clock_os_ms() + LIMIT_MS;
}

/* A process that has just ended, also one of the test before, may have its lease for a moment: until its connection is gone from the database. */
static void await_takeover(struct consumers *consumers, int64_t position)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	int64_t until = limit();
	while (!consumers_await(consumers, "looker", position, until)) {
		assert_true(clock_os_ms() < until);
		(void)nanosleep(&moment, NULL);
	}
}

static void await_lease(struct consumers *consumers, bool is_had)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	int64_t until = limit();
	while (consumers_is_ours(consumers, "looker") != is_had) {
		assert_true(clock_os_ms() < until);
		(void)nanosleep(&moment, NULL);
	}
}

static int64_t stored_position(void)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	int64_t position;
	assert_int_equal(store_consumer_position(&ctx, hs.db, STR("looker"), 0, &position), ERR_OK);
	return position;
}

/* --- tests ------------------------------------------------------------------------------------------------- */

static void check_all_once(enum saving saving)
{
	struct seen seen = {.saving = saving};
	int64_t before = publish(10);
	struct consumers *consumers = start_process(0, &seen);
	await_takeover(consumers, before);
	int64_t newest = publish(20);
	assert_true(consumers_await(consumers, "looker", newest, limit()));
	assert_int_equal(atomic_load(&seen.dealt), newest);
	assert_int_equal(stored_position(), newest);
	end_process(0);

	struct seen later = {.saving = saving};
	int64_t further = publish(5);
	consumers = start_process(0, &later);
	await_takeover(consumers, further);
	assert_int_equal(atomic_load(&later.dealt), further - newest);
	assert_false(atomic_load(&seen.is_out_of_order) || atomic_load(&later.is_out_of_order));
	end_process(0);
}

static void consumer__restart__goes_on_from_its_position(void **state)
{
	(void)state;
	check_all_once(SAVING_SERVICE);
}

static void consumer__moves_itself__goes_on_from_its_position(void **state)
{
	(void)state;
	check_all_once(SAVING_ITSELF);
}

static void consumer__skips__goes_on_from_its_position(void **state)
{
	(void)state;
	check_all_once(SAVING_SKIPS);
}

/* Another process has moved the consumer: two must not both believe to have dealt with the same. */
static void consumer_skip__not_where_it_stands__fails_and_moves_nothing(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(stored_position(), 0);
	assert_int_equal(store_consumer_skip(&ctx, hs.db, STR("looker"), 0, 5), ERR_OK);
	assert_int_equal(store_consumer_skip(&ctx, hs.db, STR("looker"), 0, 7), ERR_CONFLICT);
	assert_int_equal(store_consumer_skip(&ctx, hs.db, STR("nobody"), 0, 7), ERR_CONFLICT);
	assert_int_equal(stored_position(), 5);
}

/* Rounds of which nothing comes follow every message: a flush for each would be paid by all who wait for theirs. */
static void consumer_skip__as_sent__its_commit_needs_no_flush(void **state)
{
	(void)state;
	assert_int_equal(stored_position(), 0);
	char *database = mem_dup(url.p, url.n);
	PGconn *conn = PQconnectdb(database);
	const char *const values[] = {"looker", "0", "5"};
	PQclear(PQexec(conn, "SET synchronous_commit = on"));
	PQclear(PQexec(conn, "BEGIN"));
	PGresult *moved = PQexecParams(conn, stmt_table[STMT_CONSUMER_SKIP].sql, COUNT_OF(values), NULL,
		values, NULL, NULL, 0);
	assert_int_equal(PQresultStatus(moved), PGRES_TUPLES_OK);
	PGresult *within = PQexec(conn, "SHOW synchronous_commit");
	assert_string_equal(PQgetvalue(within, 0, 0), "off");
	PQclear(PQexec(conn, "COMMIT"));
	PGresult *after = PQexec(conn, "SHOW synchronous_commit");
	assert_string_equal(PQgetvalue(after, 0, 0), "on");
	PQclear(moved);
	PQclear(within);
	PQclear(after);
	PQfinish(conn);
	mem_free(database);
}

static void consumer__failing_rounds__tries_again(void **state)
{
	(void)state;
	struct seen seen = {.failures_left = 3};
	int64_t newest = publish(10);
	struct consumers *consumers = start_process(0, &seen);
	while (!consumers_await(consumers, "looker", newest, limit())) {
		assert_true(atomic_load(&seen.failures_left) >= 0);
	}
	assert_int_equal(atomic_load(&seen.failures_left), 0);
	assert_int_equal(atomic_load(&seen.dealt), newest);
	assert_false(atomic_load(&seen.is_out_of_order));
	end_process(0);
}

/* What was only in memory is gone, and nobody publishes anything. */
static void consumer__begins_anew__deals_again_with_what_the_database_says(void **state)
{
	(void)state;
	const int64_t lost = 4;
	struct seen seen = {.saving = SAVING_ITSELF};
	int64_t newest = publish(10);
	struct consumers *consumers = start_process(0, &seen);
	await_takeover(consumers, newest);
	run_sql("UPDATE consumers SET position = position - 4");
	consumers_begin_anew(consumers, "looker");
	await_takeover(consumers, newest);
	assert_int_equal(atomic_load(&seen.dealt), newest + lost);
	assert_int_equal(stored_position(), newest);
	end_process(0);
}

static void consumer__two_processes__one_runs_until_it_ends(void **state)
{
	(void)state;
	struct seen seen[2] = {{.saving = SAVING_ITSELF}, {.saving = SAVING_ITSELF}};
	struct consumers *first = start_process(0, &seen[0]);
	await_takeover(first, publish(1));
	struct consumers *second = start_process(1, &seen[1]);
	int64_t newest = publish(10);
	assert_true(consumers_await(first, "looker", newest, limit()));
	assert_int_equal(atomic_load(&seen[0].dealt), newest);
	assert_int_equal(atomic_load(&seen[1].rounds), 0);
	assert_false(consumers_await(second, "looker", newest, limit()));
	assert_true(consumers_await_stored(second, "looker", newest, limit()));
	assert_false(consumers_await_stored(second, "looker", newest + 1, clock_os_ms() + 20));

	end_process(0);
	int64_t further = publish(10);
	await_takeover(second, further);
	assert_int_equal(atomic_load(&seen[1].dealt), further - newest);
	end_process(1);
}

#define END_LEASES(wait) \
	"SELECT pg_terminate_backend(pid" wait ") FROM pg_locks WHERE locktype = 'advisory' AND granted"
/* A backend that ends gives its locks back a while before its client can see that it has ended: for so long two may have one. */
#define END_LEASES_AND_SESSIONS END_LEASES(", 60000")

/* Whoever had it has had nothing to do since it ended, and does not know. */
static void consumer__lease_taken_over_meanwhile__no_round_without_it(void **state)
{
	(void)state;
	struct seen seen[2] = {{.saving = SAVING_SERVICE}, {.saving = SAVING_SERVICE}};
	struct consumers *first = start_process(0, &seen[0]);
	int64_t newest = publish(10);
	await_takeover(first, newest);
	struct consumers *second = start_process(1, &seen[1]);
	run_sql(END_LEASES_AND_SESSIONS);
	await_lease(second, true);
	int64_t further = publish(10);
	await_takeover(second, further);
	await_lease(first, false);
	assert_int_equal(atomic_load(&seen[0].dealt), newest);
	assert_int_equal(atomic_load(&seen[1].dealt), further - newest);
	end_process(0);
	end_process(1);
}

static void consumer__lease_connection_breaks__nothing_twice(void **state)
{
	(void)state;
	struct seen seen[2] = {{.saving = SAVING_ITSELF}, {.saving = SAVING_ITSELF}};
	struct consumers *first = start_process(0, &seen[0]);
	await_takeover(first, publish(1));
	struct consumers *second = start_process(1, &seen[1]);
	int64_t newest = 0;
	for (int i = 0; i < 4; i++) {
		run_sql(END_LEASES(""));
		newest = publish(10);
		while (!consumers_await(first, "looker", newest, limit()) &&
			!consumers_await(second, "looker", newest, limit())) {
		}
	}
	assert_int_equal(stored_position(), newest);
	assert_int_equal(atomic_load(&seen[0].dealt) + atomic_load(&seen[1].dealt), newest);
	end_process(0);
	end_process(1);
}

/* Publishes what the consumer does not follow: who waits for it need not wait for a round, here and in the process that does not run it. */
static int64_t publish_unfollowed(struct consumers *first, struct consumers *second)
{
	int64_t begun_ms = clock_os_ms();
	int64_t stored = stored_position();
	atomic_store(&said_kinds, NEWS_BIT(NEWS_MESSAGE));
	int64_t newest = publish(10);
	assert_true(consumers_await(first, "looker", newest, limit()));
	assert_true(consumers_await_stored(second, "looker", newest, limit()));
	int64_t now_stored = stored_position();
	if (clock_os_ms() < begun_ms + CONSUMERS_PASS_MS) {
		assert_int_equal(now_stored, stored);
	}
	return newest;
}

static void consumer__news_of_other_kinds__shown_with_the_next_or_later(void **state)
{
	(void)state;
	struct seen seen[3] = {{.follows = NEWS_BIT(NEWS_RECEIPTS) | NEWS_BIT(NEWS_KEYS)}};
	seen[1] = seen[2] = seen[0];
	struct consumers *first = start_process(0, &seen[0]);
	await_takeover(first, publish(1));
	struct consumers *second = start_process(1, &seen[1]);
	(void)publish_unfollowed(first, second);

	atomic_store(&said_kinds, NEWS_BIT(NEWS_RECEIPTS) | NEWS_BIT(NEWS_MESSAGE));
	int64_t newest = publish(1);
	assert_true(consumers_await(first, "looker", newest, limit()));
	assert_true(consumers_await_stored(second, "looker", newest, limit()));
	assert_int_equal(stored_position(), newest);
	assert_int_equal(atomic_load(&seen[0].dealt), newest);

	newest = publish_unfollowed(first, second);
	const struct timespec moment = {.tv_nsec = 10000000};
	for (int64_t until = limit(); stored_position() < newest; (void)nanosleep(&moment, NULL)) {
		assert_true(clock_os_ms() < until);
	}
	assert_int_equal(atomic_load(&seen[0].dealt), newest);

	newest = publish_unfollowed(first, second);
	end_process(1);
	end_process(0);
	int64_t dealt = atomic_load(&seen[0].dealt);
	first = start_process(0, &seen[2]);
	await_takeover(first, newest);
	assert_int_equal(dealt + atomic_load(&seen[2].dealt), newest);
	assert_int_equal(stored_position(), newest);
	end_process(0);
}

/* Another connection has the lease, as that of a process that has just ended: no first round until it is given back. */
static void check_from_now(bool is_other_first)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const struct timespec moment = {.tv_nsec = 10000000};
	struct db *holder = store_leases_create(hs.db);
	bool is_held = false;
	int64_t until = limit();
	while (!is_held) {
		assert_true(clock_os_ms() < until);
		assert_int_equal(store_consumer_lease(&ctx, holder, STR("looker"), &is_held), ERR_OK);
		(void)nanosleep(&moment, NULL);
	}
	const int count = 5;
	struct seen seen[2] = {{.from_now = true}, {.from_now = true}};
	(void)publish(1);
	struct consumers *consumers = start_process(0, &seen[0]);
	if (is_other_first) {
		assert_int_equal(consumers_place(&ctx, consumers), ERR_OK);
	}
	int64_t newest = publish(count);
	if (is_other_first) {
		end_process(0);
		consumers = start_process(0, &seen[1]);
	}
	db_destroy(holder);
	await_takeover(consumers, newest);
	assert_int_equal(atomic_load(&seen[is_other_first].dealt), count);
	end_process(0);
}

static void consumer__from_now_and_late_first_round__nothing_since_the_start_skipped(void **state)
{
	(void)state;
	check_from_now(false);
}

static void consumer__from_now_and_another_process_first__nothing_since_its_start_skipped(
	void **state)
{
	(void)state;
	check_from_now(true);
}

/* --- two that make its row at once -------------------------------------------------------------------------- */

static void *find_position(void *data)
{
	*(int64_t *)data = stored_position();
	return NULL;
}

/* The other one has made the row, and has not committed it: who waits for that sees it only by asking again. */
static void consumer_position__another_process_makes_the_row_meanwhile__its_position(void **state)
{
	(void)state;
	char *database = mem_dup(url.p, url.n);
	PGconn *other = PQconnectdb(database);
	PQclear(PQexec(other, "BEGIN; INSERT INTO consumers (name, position) VALUES ('looker', 7)"));
	int64_t position = -1;
	pthread_t thread = thread_start("position", find_position, &position);
	const struct timespec moment = {.tv_nsec = 10000000};
	for (int64_t until = limit();
		 bare_ask(url, STR(""),
			 "SELECT count(*) FROM pg_locks WHERE "
			 "locktype = 'transactionid' AND NOT granted AND $1::text = ''") == 0;
		 (void)nanosleep(&moment, NULL)) {
		assert_true(clock_os_ms() < until);
	}
	PGresult *result = PQexec(other, "COMMIT");
	assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	assert_int_equal(pthread_join(thread, NULL), 0);
	PQfinish(other);
	mem_free(database);
	assert_int_equal(position, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(consumer__restart__goes_on_from_its_position, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(consumer__moves_itself__goes_on_from_its_position, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(consumer__skips__goes_on_from_its_position, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(consumer_skip__not_where_it_stands__fails_and_moves_nothing,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(consumer_skip__as_sent__its_commit_needs_no_flush, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(consumer__failing_rounds__tries_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			consumer__begins_anew__deals_again_with_what_the_database_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(consumer__two_processes__one_runs_until_it_ends, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(consumer__lease_taken_over_meanwhile__no_round_without_it,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(consumer__lease_connection_breaks__nothing_twice, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(consumer__news_of_other_kinds__shown_with_the_next_or_later,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			consumer__from_now_and_late_first_round__nothing_since_the_start_skipped, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			consumer__from_now_and_another_process_first__nothing_since_its_start_skipped, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			consumer_position__another_process_makes_the_row_meanwhile__its_position, set_up,
			tear_down),
	};
	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
