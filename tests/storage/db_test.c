/*
 * What a statement tells of its end, and whose connections are given up when the database moves.
 * With servers that really take over from each other: tests/http/test_failover.py.
 */
#include "storage/db.h"

#include <time.h>

#include "base/clock.h"
#include "storage/consumer.h"
#include "storage/fence.h"
#include "storage/pg.h"
#include "tests/storage/world.h"

static void run_sql(struct world *world, const char *sql)
{
	struct pg pg;
	pg_init(&pg, world_url, 20000);
	assert_int_equal(pg_ensure(&world->ctx, &pg), ERR_OK);
	assert_int_equal(pg_exec(&world->ctx, &pg, sql, 20000), ERR_OK);
	pg_close(&pg);
}

/* PostgreSQL says first that the row is changed, then that it is not: its commit is refused. */
static void db_exec__refused_at_its_commit__fails(void **state)
{
	struct world *world = *state;
	int64_t position;
	assert_int_equal(store_consumer_position(&world->ctx, world->db, STR("late"), 1, &position),
		ERR_OK);
	run_sql(world,
		"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
		"$$ BEGIN RAISE EXCEPTION 'late' USING ERRCODE = 'unique_violation'; END $$; "
		"CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON consumers DEFERRABLE INITIALLY DEFERRED "
		"FOR EACH ROW WHEN (new.name = 'late') EXECUTE FUNCTION refuse()");
	enum err moved = store_consumer_move(&world->ctx, world->db, STR("late"), 1, 2);
	run_sql(world, "DROP TRIGGER late ON consumers; DROP FUNCTION refuse()");
	assert_int_equal(moved, ERR_CONFLICT);
	assert_true(str_contains(world->ctx.fault.cause, STR("late")));
	assert_int_equal(store_consumer_position(&world->ctx, world->db, STR("late"), 1, &position),
		ERR_OK);
	assert_int_equal(position, 1);
}

/* --- rolled back for another's sake ------------------------------------------------------------------------ */

/* PostgreSQL ends so many changes of the consumer "met" in a way. */
static void begin_to_end(struct world *world, const char *way, int times)
{
	int64_t position;
	assert_int_equal(store_consumer_position(&world->ctx, world->db, STR("met"), 1, &position),
		ERR_OK);
	run_sql(world,
		arena_printf(world->ctx.arena,
			"CREATE SEQUENCE meetings; "
			"CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
			"IF nextval('meetings') <= %d THEN RAISE 'met' USING ERRCODE = '%s'; END IF; "
			"RETURN new; END $$; "
			"CREATE TRIGGER meet BEFORE UPDATE ON consumers FOR EACH ROW WHEN (new.name = 'met') "
			"EXECUTE FUNCTION meet()",
			times, way));
}

/* As those that it chose in a deadlock. */
static void begin_to_meet(struct world *world, int times)
{
	begin_to_end(world, "deadlock_detected", times);
}

/* @param times  how often the change was tried */
static void end_to_meet(struct world *world, int64_t times, int64_t wanted_position)
{
	int64_t position;
	run_sql(world,
		arena_printf(world->ctx.arena,
			"DROP TRIGGER meet ON consumers; DROP FUNCTION meet(); "
			"SELECT 1 / CASE WHEN last_value = %lld THEN 1 ELSE 0 END FROM meetings; "
			"DROP SEQUENCE meetings; ",
			(long long)times));
	assert_int_equal(store_consumer_position(&world->ctx, world->db, STR("met"), 1, &position),
		ERR_OK);
	assert_int_equal(position, wanted_position);
	run_sql(world, "DELETE FROM consumers WHERE name = 'met'");
}

static void db_exec__chosen_in_a_deadlock__is_run_again(void **state)
{
	struct world *world = *state;
	begin_to_meet(world, 2);
	assert_int_equal(store_consumer_move(&world->ctx, world->db, STR("met"), 1, 2), ERR_OK);
	assert_int_equal(world->ctx.fault.err, ERR_OK);
	end_to_meet(world, 3, 2);
}

/* Nobody is told that somebody else was first, or that something is gone. */
static void db_exec__chosen_in_each_deadlock__storage_fails(void **state)
{
	struct world *world = *state;
	begin_to_meet(world, 1000);
	assert_int_equal(store_consumer_move(&world->ctx, world->db, STR("met"), 1, 2), ERR_STORE);
	end_to_meet(world, 3, 1);
}

static void db_exec__nobody_can_say_whether_it_was_done__is_not_run_again(void **state)
{
	struct world *world = *state;
	begin_to_end(world, "statement_completion_unknown", 1);
	assert_int_equal(store_consumer_move(&world->ctx, world->db, STR("met"), 1, 2), ERR_STORE);
	end_to_meet(world, 1, 1);
}

/* What went before it in the transaction is undone, too. */
static void tx_query__chosen_in_a_deadlock__is_not_run_again(void **state)
{
	struct world *world = *state;
	begin_to_meet(world, 1);
	assert_int_equal(IN_TX(world, store_consumer_move_in(&world->ctx, tx, STR("met"), 1, 2)),
		ERR_STORE);
	end_to_meet(world, 1, 1);
}

static enum err count_check(struct ctx *ctx, void *self)
{
	(void)ctx;
	int *checks = self;
	++*checks;
	return ERR_OK;
}

static void db_query_checked__chosen_in_a_deadlock__is_run_again_as_checked(void **state)
{
	struct world *world = *state;
	const struct str name = STR("met");
	const int64_t from = 1;
	const int64_t to = 2;
	int checks = 0;
	struct db_rows *rows;
	begin_to_meet(world, 1);
	assert_int_equal(db_query_checked(&world->ctx, world->db, STMT_CONSUMER_MOVE,
						 DB_ARGS(db_texts(&name, 1), db_bigints(&from, 1), db_bigints(&to, 1)),
						 &(struct db_check){count_check, &checks}, &rows),
		ERR_OK);
	assert_int_equal(checks, 1);
	end_to_meet(world, 2, 2);
}

/* --- leases and fences -------------------------------------------------------------------------------------- */

static bool has_lease(struct world *world, struct db *leases, const char *name)
{
	bool is_ours = false;
	assert_int_equal(store_consumer_lease(&world->ctx, leases, str_of(name), &is_ours), ERR_OK);
	return is_ours;
}

static int64_t connection_of(struct world *world, struct db *leases)
{
	int64_t number = 0;
	assert_int_equal(store_leases_connection(&world->ctx, leases, &number), ERR_OK);
	return number;
}

/* The server of a connection that was given up lets its locks go moments later. */
static bool gets_lease(struct world *world, struct db *leases, const char *name)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	int64_t until_us = clock_mono_us() + 20000000;
	while (!has_lease(world, leases, name)) {
		if (clock_mono_us() > until_us) {
			return false;
		}
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

static void leases__database_moved__on_a_new_connection(void **state)
{
	struct world *world = *state;
	struct db *elsewhere = world_connect(1);
	struct db *leases = store_leases_create(world->db);
	struct db *others = store_leases_create(elsewhere);
	assert_true(has_lease(world, leases, "moved"));
	int64_t first = connection_of(world, leases);
	assert_true(has_lease(world, leases, "moved"));
	assert_int_equal(connection_of(world, leases), first);
	assert_false(has_lease(world, others, "moved"));
	fence_raise(db_fence(world->db));
	assert_int_not_equal(connection_of(world, leases), first);
	assert_true(has_lease(world, leases, "another"));
	assert_true(gets_lease(world, others, "moved"));
	assert_false(has_lease(world, leases, "moved"));
	db_destroy(others);
	db_destroy(leases);
	db_destroy(elsewhere);
}

static enum err ask(struct world *world, struct db *db)
{
	int64_t position;
	return store_consumer_position(&world->ctx, db, STR("asked"), 1, &position);
}

static void fence__newer_timeline_seen__older_server_refused_on_all_connections(void **state)
{
	struct world *world = *state;
	struct db *leases = store_leases_create(world->db);
	struct fence *fence = db_fence(world->db);
	assert_int_equal(ask(world, world->db), ERR_OK);
	assert_int_equal(ask(world, leases), ERR_OK);
	assert_true(fence->system != 0 && fence->timeline == 1);
	assert_int_equal(fence_moves(fence), 0);
	fence->timeline++;                               /* a server that has taken over was seen */
	assert_int_equal(ask(world, world->db), ERR_OK); /* as the fence is not raised yet */
	fence_raise(fence);
	assert_int_equal(ask(world, world->db), ERR_STORE);
	assert_true(str_contains(world->ctx.fault.cause, STR("has taken over from it")));
	assert_int_equal(ask(world, leases), ERR_STORE);
	assert_int_equal(ask(world, world->db), ERR_STORE);
	fence->timeline--;
	assert_int_equal(ask(world, leases), ERR_OK);
	assert_int_equal(ask(world, world->db), ERR_OK);
	db_destroy(leases);
}

static void fence__newer_server_or_another_cluster__used_and_the_others_follow(void **state)
{
	struct world *world = *state;
	struct fence *fence = db_fence(world->db);
	assert_int_equal(ask(world, world->db), ERR_OK);
	fence->timeline--;
	fence_raise(fence);
	assert_int_equal(ask(world, world->db), ERR_OK);
	assert_int_equal(fence->timeline, 1);
	assert_int_equal(fence_moves(fence), 2); /* ours, and its own */
	int64_t system = fence->system++;        /* restored elsewhere: its timelines begin anew */
	fence->timeline = 7;
	fence_raise(fence);
	assert_int_equal(ask(world, world->db), ERR_OK);
	assert_true(fence->system == system && fence->timeline == 1);
	assert_int_equal(fence_moves(fence), 4);
	assert_int_equal(ask(world, world->db), ERR_OK); /* on the same connection */
	assert_int_equal(fence_moves(fence), 4);
}

/* A database whose owner took that right from everybody. */
static void fence__may_not_ask__served_without(void **state)
{
	struct world *world = *state;
	run_sql(world,
		"CREATE ROLE stranger LOGIN; GRANT pg_read_all_data, pg_write_all_data TO stranger; "
		"REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC");
	struct db *db = db_create(&(struct db_config){
		.url = str_printf(world->ctx.arena, "%.*s&user=stranger", STR_ARG(world_url)),
		.pool_size = 1,
		.statement_timeout_ms = 20000,
		.acquire_timeout_ms = 20000});
	assert_int_equal(ask(world, db), ERR_OK);
	assert_true(db_fence(db)->is_blind && db_fence(db)->system == 0);
	db_destroy(db);
	run_sql(world,
		"GRANT EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) TO PUBLIC; DROP ROLE stranger");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(db_exec__refused_at_its_commit__fails),
		TEST(db_exec__chosen_in_a_deadlock__is_run_again),
		TEST(db_exec__chosen_in_each_deadlock__storage_fails),
		TEST(db_exec__nobody_can_say_whether_it_was_done__is_not_run_again),
		TEST(tx_query__chosen_in_a_deadlock__is_not_run_again),
		TEST(db_query_checked__chosen_in_a_deadlock__is_run_again_as_checked),
		TEST(leases__database_moved__on_a_new_connection),
		TEST(fence__newer_timeline_seen__older_server_refused_on_all_connections),
		TEST(fence__newer_server_or_another_cluster__used_and_the_others_follow),
		TEST(fence__may_not_ask__served_without),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
