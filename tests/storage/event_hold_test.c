/*
 * What a room needs of what is kept outside of its timeline is held, whatever another process does to it at that moment.
 */
#include <libpq-fe.h>
#include <time.h>

#include "base/lock.h"
#include "storage/graph.h"
#include "tests/storage/world.h"

enum { LOOK_NS = 5000000, LOOKS = 4000 };

static const struct str held[] = {STR_INIT("$redacted"), STR_INIT("$moved"), STR_INIT("$left")};

static int64_t ask(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_string_equal(PQresultErrorMessage(result), "");
	int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
	PQclear(result);
	return number;
}

static PGconn *connect_other(void)
{
	PGconn *conn = PQconnectdb(world_url.p);
	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	return conn;
}

struct holder {
	struct world *world;
	enum err err;
};

static void *hold_all(void *data)
{
	struct holder *holder = data;
	holder->err =
		store_events_hold_all(&holder->world->ctx, holder->world->db, 1, held, COUNT_OF(held));
	return NULL;
}

/* Until it waits for who has changed the events. */
static void await_waiter(void)
{
	PGconn *conn = connect_other();
	int looks = 0;
	while (ask(conn, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0 && looks++ < LOOKS) {
		(void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	}
	assert_true(looks < LOOKS);
	PQfinish(conn);
}

static void events_hold_all__another_process_changes_some__all_are_held(void **state)
{
	struct holder holder = {.world = *state};
	PGconn *other = connect_other();
	(void)ask(other,
		"INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)"
		" VALUES (1, '!1', '11', 1, 1, '[]', 1, 1);"
		"INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, fate, notify_seq,"
		" highlight_seq) SELECT 1, -1152921504606846980 - n, '$' || name, 'm.room.message', '@u:other', 1, 1, '{}', 1, 0, 0"
		" FROM unnest('{redacted,moved,left,others}'::text[]) WITH ORDINALITY AS e(name, n)");
	(void)ask(other, "BEGIN");
	(void)ask(other,
		"UPDATE events SET json = '{\"a\":1}', redacted_by = 7 WHERE event_id = '$redacted'");
	(void)ask(other, "UPDATE events SET position = 9, fate = 0 WHERE event_id = '$moved'");
	pthread_t thread = thread_start("holder", hold_all, &holder);
	await_waiter();
	(void)ask(other, "COMMIT");
	(void)pthread_join(thread, NULL);
	assert_int_equal(holder.err, ERR_OK);
	assert_int_equal(ask(other, "SELECT count(*) FROM events WHERE room_nid = 1 AND hold = 2"), 3);
	assert_int_equal(
		ask(other, "SELECT count(*) FROM events WHERE event_id = '$others' AND hold = 0"), 1);
	PQfinish(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_hold_all__another_process_changes_some__all_are_held),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
