/*
 * Positions of sliding sync on a real PostgreSQL: who has which, which go when another comes, and what happens when two come at once or the device ends.
 */
#include "storage/sliding.h"

#include "base/lock.h"
#include "storage/device.h"
#include "storage/event.h"
#include "storage/state.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 60, LOOKS = 100000 };

/* A user of its own with the device "D". */
static struct sliding_connection connection_of(struct world *world, const char *name)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, STR("D"));
	return (struct sliding_connection){.user_id = user_id,
		.device_id = STR("D"),
		.conn_id = STR("rooms")};
}

static int64_t add(struct world *world, const struct sliding_connection *connection,
	int64_t came_with, const char *state)
{
	int64_t nid = 0;
	assert_int_equal(
		store_sliding_add(&world->ctx, world->db, connection, came_with, str_of(state), &nid),
		ERR_OK);
	assert_true(nid > came_with);
	return nid;
}

static bool is_there(struct world *world, const struct sliding_connection *connection, int64_t nid)
{
	struct str state;
	enum err err = store_sliding_find(&world->ctx, world->db, connection, nid, &state);
	assert_true(err == ERR_OK || err == ERR_MISSING);
	return err == ERR_OK;
}

/* The first column of the first row. */
static int64_t ask(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	int64_t number = 0;
	assert_true(str_to_int(str_of(PQgetvalue(result, 0, 0)), 0, INT64_MAX, &number));
	PQclear(result);
	return number;
}

static PGconn *connect_raw(struct world *world)
{
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	return conn;
}

/* --- one after the other -------------------------------------------------------------------------------------------- */

static void add__one_after_the_other__two_stay(void **state)
{
	struct world *world = *state;
	struct sliding_connection connection = connection_of(world, "two");
	int64_t first = add(world, &connection, 0, "a");
	int64_t second = add(world, &connection, first, "b");
	assert_true(is_there(world, &connection, first) && is_there(world, &connection, second));
	/* The answer was lost: the client comes with the first once more. */
	int64_t again = add(world, &connection, first, "c");
	assert_true(is_there(world, &connection, first) && !is_there(world, &connection, second));
	int64_t third = add(world, &connection, again, "d");
	assert_false(is_there(world, &connection, first));
	assert_true(is_there(world, &connection, again) && is_there(world, &connection, third));
	/* It begins. */
	int64_t anew = add(world, &connection, 0, "e");
	assert_true(!is_there(world, &connection, again) && !is_there(world, &connection, third));
	assert_true(is_there(world, &connection, anew));
}

static void find__state__as_it_was_given(void **state)
{
	struct world *world = *state;
	struct sliding_connection connection = connection_of(world, "bytes");
	const struct str states[] = {STR(""), STR("\0\xff\1"),
		str_printf(world->ctx.arena, "%9000d", 7)};
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		int64_t nid;
		struct str found;
		assert_int_equal(store_sliding_add(&world->ctx, world->db, &connection, 0, states[i], &nid),
			ERR_OK);
		assert_int_equal(store_sliding_find(&world->ctx, world->db, &connection, nid, &found),
			ERR_OK);
		assert_true(str_equals(found, states[i]));
	}
}

static void find__another_connection_or_device_or_user__missing(void **state)
{
	struct world *world = *state;
	struct sliding_connection connection = connection_of(world, "mine");
	struct sliding_connection others[] = {connection_of(world, "yours"), connection, connection};
	others[1].device_id = STR("SECOND");
	others[2].conn_id = STR("");
	world_add_device(world, connection.user_id, STR("SECOND"));
	int64_t nid = add(world, &connection, 0, "a");
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_false(is_there(world, &others[i], nid));
		int64_t other = add(world, &others[i], 0, "b"); /* which is no concern of the first */
		assert_true(is_there(world, &connection, nid) && is_there(world, &others[i], other));
	}
	assert_false(is_there(world, &connection, nid + 1000));
	assert_false(is_there(world, &connection, 0));
}

static void add__too_many_connections__those_unused_for_longest_go(void **state)
{
	struct world *world = *state;
	struct sliding_connection connection = connection_of(world, "many");
	int64_t before[SLIDING_CONNECTIONS_MAX + 2];
	int64_t newest[SLIDING_CONNECTIONS_MAX + 2];
	struct sliding_connection all[SLIDING_CONNECTIONS_MAX + 2];
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		all[i] = connection;
		all[i].conn_id = str_printf(world->ctx.arena, "c%zu", i);
	}
	for (size_t i = 0; i < SLIDING_CONNECTIONS_MAX; i++) {
		before[i] = add(world, &all[i], 0, "a");
		newest[i] = add(world, &all[i], before[i], "b");
	}
	newest[0] = add(world, &all[0], newest[0], "used again");
	world_add_device(world, connection.user_id, STR("SECOND"));
	struct sliding_connection elsewhere = connection;
	elsewhere.device_id = STR("SECOND");
	int64_t other = add(world, &elsewhere, 0, "a");
	assert_true(is_there(world, &all[1], newest[1])); /* so many there may be */
	add(world, &all[2], 0, "begins again");
	assert_true(is_there(world, &all[1], newest[1]));
	add(world, &all[SLIDING_CONNECTIONS_MAX], 0, "a");
	assert_false(is_there(world, &all[1], newest[1]) || is_there(world, &all[1], before[1]));
	assert_true(is_there(world, &all[3], newest[3]));
	add(world, &all[SLIDING_CONNECTIONS_MAX + 1], 0, "a");
	assert_false(is_there(world, &all[3], newest[3]) || is_there(world, &all[3], before[3]));
	for (size_t i = 4; i < SLIDING_CONNECTIONS_MAX; i++) {
		assert_true(is_there(world, &all[i], newest[i]) && is_there(world, &all[i], before[i]));
	}
	assert_true(is_there(world, &all[0], newest[0]) && is_there(world, &elsewhere, other));
}

/* --- the device's end ----------------------------------------------------------------------------------------------- */

static void device__ends__its_positions_end_and_none_is_added(void **state)
{
	struct world *world = *state;
	struct sliding_connection connection = connection_of(world, "ends");
	struct sliding_connection other = connection;
	other.device_id = STR("SECOND");
	world_add_device(world, connection.user_id, other.device_id);
	int64_t nid = add(world, &connection, 0, "a");
	int64_t kept = add(world, &other, 0, "a");
	assert_int_equal(
		store_device_delete(&world->ctx, world->db, connection.user_id, &connection.device_id, 1),
		ERR_OK);
	assert_false(is_there(world, &connection, nid));
	assert_true(is_there(world, &other, kept));
	int64_t next;
	assert_int_equal(store_sliding_add(&world->ctx, world->db, &connection, nid, STR("b"), &next),
		ERR_CONFLICT);
	world_add_device(world, connection.user_id, connection.device_id);
	assert_false(is_there(world, &connection, nid));
}

struct adder {
	struct sliding_connection connection;
	int64_t came_with;
	enum err result;
	enum err fault; /* what the database said, if it was no answer */
};

static void *add_beside(void *data)
{
	struct adder *adder = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct db *db = world_connect(1);
	int64_t nid;
	adder->result =
		store_sliding_add(&ctx, db, &adder->connection, adder->came_with, STR("beside"), &nid);
	adder->fault = ctx.fault.err;
	db_destroy(db);
	return NULL;
}

/* The one that ends the device holds it and goes on to the rows: whoever adds holds none of them while it waits. */
static void device__ends_while_one_is_added__conflict_and_no_ring(void **state)
{
	struct world *world = *state;
	struct adder adder = {.connection = connection_of(world, "ring")};
	int64_t first = add(world, &adder.connection, 0, "a");
	adder.came_with = add(world, &adder.connection, first, "b");
	PGconn *conn = connect_raw(world);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(&world->ctx, world->db, &tx), ERR_OK);
	assert_int_equal(store_device_lock(&world->ctx, tx, adder.connection.user_id, STR("D")),
		ERR_OK);
	pthread_t thread = thread_start("adder", add_beside, &adder);
	int looks = 0;
	while (ask(conn, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0 && looks++ < LOOKS) {
	}
	assert_true(looks < LOOKS);
	assert_int_equal(store_device_delete_but(&world->ctx, tx, adder.connection.user_id, STR("")),
		ERR_OK);
	assert_int_equal(tx_commit(&world->ctx, &tx), ERR_OK);
	(void)pthread_join(thread, NULL);
	assert_int_equal(adder.result, ERR_CONFLICT);
	assert_int_equal(adder.fault,
		ERR_OK); /* a ring would have ended by the database's failing one of the two */
	assert_int_equal(ask(conn, "SELECT count(*) FROM sliding_positions WHERE user_id = '@ring:hs'"),
		0);
	PQfinish(conn);
}

/* --- at once -------------------------------------------------------------------------------------------------------- */

/* Somebody else is about to remove a row: nobody waits for that. */
static void add__row_that_another_one_removes__not_waited_for(void **state)
{
	struct world *world = *state;
	struct sliding_connection connection = connection_of(world, "held");
	int64_t first = add(world, &connection, 0, "a");
	int64_t second = add(world, &connection, first, "b");
	PGconn *conn = connect_raw(world);
	PQclear(PQexec(conn, "BEGIN"));
	assert_int_equal(
		ask(conn,
			"WITH held AS (SELECT 1 FROM sliding_positions WHERE user_id = '@held:hs' FOR UPDATE) "
			"SELECT count(*) FROM held"),
		2);
	int64_t third = add(world, &connection, second, "c");
	int64_t anew = add(world, &connection, 0, "d");
	PQclear(PQexec(conn, "ROLLBACK"));
	PQfinish(conn);
	assert_false(is_there(world, &connection, third));
	/* What was left goes with the next one. */
	int64_t next = add(world, &connection, anew, "e");
	assert_true(is_there(world, &connection, anew) && is_there(world, &connection, next));
	assert_false(is_there(world, &connection, first) || is_there(world, &connection, second));
}

struct crowd {
	struct sliding_connection connection;
	struct db *db;
	atomic_int failed;
};

/* A client that goes on, and now and then begins; others do so with the same connections. */
static void *go_on(void *data)
{
	struct crowd *crowd = data;
	int64_t nid = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct sliding_connection connection = crowd->connection;
		connection.conn_id = str_printf(arena, "c%d", i % (SLIDING_CONNECTIONS_MAX + 3));
		if (store_sliding_add(&ctx, crowd->db, &connection, i % 3 == 0 ? 0 : nid, STR("x"), &nid) !=
			ERR_OK) {
			atomic_fetch_add(&crowd->failed, 1);
		}
	}
	return NULL;
}

static void add__many_at_once__none_fails_and_the_next_ones_tidy_up(void **state)
{
	struct world *world = *state;
	struct crowd crowd = {.connection = connection_of(world, "crowd"),
		.db = world_connect(THREADS)};
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++) {
		threads[i] = thread_start("client", go_on, &crowd);
	}
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	db_destroy(crowd.db);
	assert_int_equal(crowd.failed, 0);
	struct sliding_connection connection = crowd.connection;
	for (int i = 0; i < SLIDING_CONNECTIONS_MAX; i++) {
		connection.conn_id = str_printf(world->ctx.arena, "n%d", i);
		add(world, &connection, add(world, &connection, 0, "a"), "b");
	}
	PGconn *conn = connect_raw(world);
	assert_int_equal(
		ask(conn, "SELECT count(*) FROM sliding_positions WHERE user_id = '@crowd:hs'"),
		2 * SLIDING_CONNECTIONS_MAX);
	PQfinish(conn);
}

/* --- rooms out of which somebody was put ------------------------------------------------------------------------------- */

static void thrown_out__forgotten__not_told_and_does_not_count_among_those_looked_at(void **state)
{
	struct world *world = *state;
	const struct thrown_out_query query = {.user_id = STR("@out:hs"),
		.up_to = 100,
		.max = 5,
		.looked_at = 1,
		.with_strangers = true};
	int64_t *rooms;
	size_t count;
	PGconn *conn = connect_raw(world);
	PQclear(PQexec(conn,
		"INSERT INTO members (user_id, room_nid, membership, position, is_local, is_forgotten)"
		" VALUES ('@out:hs', 1, 'ban', 10, true, false), ('@out:hs', 2, 'ban', 11, true, true)"));
	PQfinish(conn);
	assert_int_equal(store_member_thrown_out(&world->ctx, world->db, &query, &rooms, &count),
		ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(rooms[0], 1);
}

/* --- the newest event that moves a room in lists --------------------------------------------------------- */

static void newest_of__among_so_many__it_or_the_oldest_that_was_looked_at(void **state)
{
	struct world *world = *state;
	static const struct str types[] = {STR_INIT("m.sticker"), STR_INIT("m.room.message")};
	static const struct {
		int64_t after, up_to, limit;
		enum err err;
		bool is_found;
		int64_t position;
	} cases[] = {
		{0, 100, 50, ERR_OK, true, 40},
		{0, 39, 50, ERR_OK, true, 20},
		{0, 100, 20, ERR_OK, false, 41},
		{0, 100, 21, ERR_OK, true, 40},
		{40, 100, 50, ERR_OK, false, 41},
		{0, 19, 50, ERR_OK, false, 1},
		{60, 100, 50, ERR_MISSING, false, 0},
		{0, 100, 0, ERR_MISSING, false, 0},
	};
	PGconn *conn = connect_raw(world);
	PQclear(PQexec(conn,
		"INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq) "
		"SELECT 77, n, '$n' || n, CASE n WHEN 20 THEN 'm.room.message' WHEN 40 THEN 'm.sticker' ELSE 'm.reaction' END, '@a:hs', 1, 1, '{}', 0, 0 "
		"FROM generate_series(1, 60) AS n"));
	PQfinish(conn);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct event_span span = {
			.room_nid = 77,
			.after = cases[i].after,
			.up_to = cases[i].up_to,
			.limit = cases[i].limit,
		};
		bool is_found = false;
		int64_t position = 0;
		print_message("case %zu\n", i);
		assert_int_equal(store_event_newest_of(&world->ctx, world->db, &span, types,
							 COUNT_OF(types), &is_found, &position),
			cases[i].err);
		assert_true(is_found == cases[i].is_found);
		assert_int_equal(position, cases[i].position);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(add__one_after_the_other__two_stay),
		TEST(find__state__as_it_was_given),
		TEST(find__another_connection_or_device_or_user__missing),
		TEST(add__too_many_connections__those_unused_for_longest_go),
		TEST(device__ends__its_positions_end_and_none_is_added),
		TEST(device__ends_while_one_is_added__conflict_and_no_ring),
		TEST(add__row_that_another_one_removes__not_waited_for),
		TEST(add__many_at_once__none_fails_and_the_next_ones_tidy_up),
		TEST(thrown_out__forgotten__not_told_and_does_not_count_among_those_looked_at),
		TEST(newest_of__among_so_many__it_or_the_oldest_that_was_looked_at),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, world_set_up_all, NULL);
}
