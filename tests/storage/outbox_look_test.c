/*
 * What the outbox's look costs where there are many rooms: it is asked for whatever happens, so nothing in it may grow with them. Small tables
 * show nothing, for they are cheapest read as a whole.
 */
#include <libpq-fe.h>

#include "base/str.h"
#include "tests/storage/world.h"

/* 1,000 rooms, each with two servers, two members, and forty events: so the planner thinks it cheaper to read their servers once than to look each up. */
static const char MANY_ROOMS[] =
	"INSERT INTO server_stays (room_nid, server, from_position) "
	"SELECT room, server, room FROM generate_series(1000, 1999) AS room, unnest(ARRAY['own', 'other']) AS server;"
	"INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership) "
	"SELECT room, 'm.room.member', '@lin:' || server, room, room, '$' || room, 'join' "
	"FROM generate_series(1000, 1999) AS room, unnest(ARRAY['own', 'other']) AS server;"
	"INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq) "
	"SELECT 1000 + number % 1000, 10000 + number, '$' || number, 'm.room.message', '@lin:own', 1, 1, '{}', 0, 0 "
	"FROM generate_series(1, 40000) AS number;"
	"ANALYZE server_stays; ANALYZE states; ANALYZE events";

static PGresult *run(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_string_equal(PQresultErrorMessage(result), "");
	return result;
}

static void check_plan(PGconn *conn)
{
	PGresult *plan = run(conn, "EXPLAIN EXECUTE look (49990, 50000, 500, 'own')");
	assert_true(PQntuples(plan) > 0);
	for (int i = 0; i < PQntuples(plan); i++) {
		const char *line = PQgetvalue(plan, i, 0);
		print_message("%s\n", line);
		assert_false(str_contains(str_of(line), STR("Seq Scan on ")));
	}
	PQclear(plan);
}

static void outbox_look__many_rooms__reads_no_table_as_a_whole(void **state)
{
	struct world *world = *state;
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	PQclear(run(conn, "BEGIN")); /* other tests of this database see none of it */
	PQclear(run(conn, MANY_ROOMS));
	PQclear(run(conn,
		arena_printf(world->ctx.arena, "PREPARE look AS %s", stmt_table[STMT_OUTBOX_LOOK].sql)));
	PQclear(run(conn, "SET LOCAL plan_cache_mode = force_generic_plan"));
	check_plan(conn);
	PQclear(run(conn, "SET LOCAL plan_cache_mode = force_custom_plan"));
	check_plan(conn);
	PQfinish(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(outbox_look__many_rooms__reads_no_table_as_a_whole),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
