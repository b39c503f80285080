/*
 * What senders of notices are told and have to send, on a real PostgreSQL: what is of one time comes in the order in which it was made, and not in
 * that in which rows happen to lie in a table.
 */
#include <libpq-fe.h>

#include "storage/account.h"
#include "storage/notice.h"
#include "storage/notice_command.h"
#include "tests/storage/world.h"

/* Each later one lies before the earlier ones. */
static const char ROWS[] =
	"INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)"
	" VALUES (1, '!1', '11', 1, 1, '[]', 3, 1);"
	"INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq)"
	" SELECT 1, n, '$' || (4 - n), 'm.room.message', '@lin:hs1', 1, 1, '{}', 0, 0 FROM generate_series(1, 3) AS n;"
	"INSERT INTO notice_commands (event_id, sender, room_id, user_id, kind, queued_at_ms, next_try_ms)"
	" SELECT '$' || n, '@office:hs1', '!1', '@lin:hs1', 'message', 1000, 0 FROM generate_series(1, 3) AS n;"
	"INSERT INTO notices (notice_id, sender, texts, state, zone, except_at, next_at_ms, created_at_ms) OVERRIDING SYSTEM VALUE"
	" SELECT n, '@office:hs1', '[]', 'scheduled', 'UTC', '', 1000, 1 FROM generate_series(3, 1, -1) AS n;"
	"INSERT INTO notice_deliveries (notice_id, due_at_ms, room_id, languages, txn_key, next_try_ms, failures)"
	" SELECT n, 1000, '!' || m, '', '', 1000, 0 FROM generate_series(3, 1, -1) AS n, generate_series(2, 1, -1) AS m;";

static int set_up(void **state)
{
	(void)world_set_up_all(state);
	void *first;
	(void)world_set_up(&first);
	struct world *world = first;
	const struct account_row account = {.user_id = STR("@office:hs1")};
	assert_int_equal(IN_TX(world, store_account_insert(&world->ctx, tx, &account)), ERR_OK);
	assert_int_equal(IN_TX(world, store_notice_sender_insert(&world->ctx, tx, account.user_id, 1)),
		ERR_OK);
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	PGresult *result = PQexec(conn, ROWS);
	assert_string_equal(PQresultErrorMessage(result), "");
	PQclear(result);
	PQfinish(conn);
	return world_tear_down(&first);
}

static void commands_due__of_one_batch__in_the_order_of_the_stream(void **state)
{
	struct world *world = *state;
	struct notice_command_row *rows;
	size_t count;
	assert_int_equal(store_notice_commands_due(&world->ctx, world->db, 1000, 2, &rows, &count),
		ERR_OK);
	assert_int_equal(count, 2);
	assert_true(str_equals(rows[0].event_id, STR("$3")));
	assert_true(str_equals(rows[1].event_id, STR("$2")));
}

static void due__of_one_time__as_they_were_made(void **state)
{
	struct world *world = *state;
	struct notice_row *rows;
	size_t count;
	assert_int_equal(store_notice_due(&world->ctx, world->db, 1000, 2, &rows, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_int_equal(rows[0].notice_id, 1);
	assert_int_equal(rows[1].notice_id, 2);
}

static void delivery_due__of_one_time__as_the_notices_were_made(void **state)
{
	struct world *world = *state;
	struct notice_delivery_row *rows;
	size_t count;
	assert_int_equal(store_notice_delivery_due(&world->ctx, world->db, 1000, 3, &rows, &count),
		ERR_OK);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(rows[i].notice_id, 1 + i / 2);
		assert_true(str_equals(rows[i].room_id, i == 1 ? STR("!2") : STR("!1")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_due__of_one_batch__in_the_order_of_the_stream),
		TEST(due__of_one_time__as_they_were_made),
		TEST(delivery_due__of_one_time__as_the_notices_were_made),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
