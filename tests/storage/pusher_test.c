/*
 * Pushers and their queue on a real PostgreSQL.
 */
#include "storage/pusher.h"

#include "storage/account.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>

enum { NOW = 1000, DELAY = 100, PAUSE = 5000 };

static struct pusher_row pusher_of(struct str user_id, const char *kind)
{
	bool is_mail = str_equals(str_of(kind), STR("email"));
	return (struct pusher_row){.user_id = user_id,
		.app_id = is_mail ? STR("m.email") : STR("org.example"),
		.pushkey = user_id,
		.kind = str_of(kind),
		.app_display_name = STR("App"),
		.device_display_name = STR("Phone"),
		.lang = STR("zh-Hant"),
		.data = STR("{}"),
		.set_at_ms = NOW,
		.unsubscribe_token = is_mail ? STR("token") : str_from(NULL, 0)};
}

/* An account with a pusher. @return the pusher's number */
static int64_t make(struct world *world, const struct pusher_row *row)
{
	struct ctx *ctx = &world->ctx;
	struct pusher_row *rows;
	size_t count;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(ctx, world->db, &tx), ERR_OK);
	assert_int_equal(store_account_insert(ctx, tx,
						 &(struct account_row){.user_id = row->user_id, .created_at_ms = NOW}),
		ERR_OK);
	assert_int_equal(tx_commit(ctx, &tx), ERR_OK);
	assert_int_equal(store_pusher_set(ctx, world->db, row, 5), ERR_OK);
	assert_int_equal(store_pusher_list(ctx, world->db, row->user_id, &rows, &count), ERR_OK);
	assert_int_equal(count, 1);
	return rows[0].pusher_nid;
}

static void enqueue(struct world *world, struct str user_id, int64_t position, int64_t now_ms)
{
	struct ctx *ctx = &world->ctx;
	const struct push_news news = {.who = {.room_nid = 7, .position = position, .user_id = user_id},
		.tweaks = STR("{}")};
	const struct push_batch batch = {.news = &news,
		.count = 1,
		.after = position - 1,
		.up_to = position,
		.now_ms = now_ms,
		.mail_delay_ms = DELAY};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(ctx, world->db, &tx), ERR_OK);
	assert_int_equal(store_push_enqueue(ctx, tx, &batch), ERR_OK);
	assert_int_equal(tx_commit(ctx, &tx), ERR_OK);
}

static const struct push_busy nobody;

/* How many are due; *out: the user's, if it is among them. */
static size_t due(struct world *world, int64_t now_ms, struct str user_id, struct push_due *out)
{
	struct push_due *found;
	size_t count;
	size_t n = 0;
	assert_int_equal(store_push_due(&world->ctx, world->db, now_ms, &nobody, 100, &found, &count),
		ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(found[i].user_id, user_id)) {
			*out = found[i];
			n++;
		}
	}
	return n;
}

static void pusher__set_again__changed_and_not_due(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	struct pusher_row row = pusher_of(STR("@again:hs"), "http");
	struct pusher_row *rows;
	struct push_due found = {0};
	size_t count;
	int64_t next_ms;
	(void)make(world, &row);
	row.lang = STR("en");
	row.set_at_ms = NOW + 1;
	assert_int_equal(store_pusher_set(ctx, world->db, &row, 5), ERR_OK);
	assert_int_equal(store_pusher_list(ctx, world->db, row.user_id, &rows, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(rows[0].lang, STR("en")));
	assert_int_equal(due(world, NOW + 10, row.user_id, &found), 0);
	assert_int_equal(store_push_next(ctx, world->db, &nobody, &next_ms), ERR_OK);
	assert_true(next_ms == INT64_MAX);
	row.pushkey = STR("another");
	assert_int_equal(store_pusher_set(ctx, world->db, &row, 1), ERR_LIMIT);
}

static void queue__of_a_gateway__in_order_until_done(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	const struct pusher_row row = pusher_of(STR("@gate:hs"), "http");
	struct push_due found = {0};
	int64_t nid = make(world, &row);
	enqueue(world, row.user_id, 10, NOW);
	enqueue(world, row.user_id, 11, NOW);
	enqueue(world, row.user_id, 11, NOW); /* once */
	assert_int_equal(due(world, NOW - 1, row.user_id, &found), 0);
	assert_int_equal(due(world, NOW, row.user_id, &found), 1);
	assert_int_equal(found.position, 10);
	assert_false(found.is_mail);
	assert_int_equal(found.badge, -1);
	assert_int_equal(store_push_failed(ctx, world->db, nid, NOW, 50), ERR_OK);
	assert_int_equal(due(world, NOW + 49, row.user_id, &found), 0);
	assert_int_equal(due(world, NOW + 50, row.user_id, &found), 1);
	assert_int_equal(found.failures, 1);
	assert_int_equal(found.failing_since_ms, NOW);
	assert_int_equal(store_push_done(ctx, world->db, &(struct push_done){nid, 10, 3, NOW + 20}),
		ERR_OK);
	assert_int_equal(due(world, NOW + 19, row.user_id, &found), 0);
	assert_int_equal(due(world, NOW + 20, row.user_id, &found), 1);
	assert_int_equal(found.position, 11);
	assert_int_equal(found.badge, 3);
	assert_int_equal(found.failures, 0);
	assert_int_equal(store_push_done(ctx, world->db, &(struct push_done){nid, 11, -1, NOW + 21}),
		ERR_OK);
	assert_int_equal(due(world, INT64_MAX, row.user_id, &found), 0);
}

/* Who has more waiting is behind who waits already, not before. */
static void queue__of_two__in_turn(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	const struct pusher_row much = pusher_of(STR("@much:hs"), "http");
	const struct pusher_row little = pusher_of(STR("@little:hs"), "http");
	struct push_due *found;
	size_t count;
	int64_t nid = make(world, &much);
	(void)make(world, &little);
	enqueue(world, much.user_id, 50, 1);
	enqueue(world, much.user_id, 51, 1);
	enqueue(world, little.user_id, 52, 2);
	assert_int_equal(store_push_due(ctx, world->db, 5, &nobody, 1, &found, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(found[0].user_id, much.user_id));
	assert_int_equal(store_push_done(ctx, world->db, &(struct push_done){nid, 50, 1, 3}), ERR_OK);
	assert_int_equal(store_push_due(ctx, world->db, 5, &nobody, 1, &found, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(found[0].user_id, little.user_id));
	const struct push_busy busy = {.user_ids = &little.user_id, .user_count = 1};
	assert_int_equal(store_push_due(ctx, world->db, 5, &busy, 1, &found, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(found[0].user_id, much.user_id));
	int64_t next_ms;
	assert_int_equal(store_push_next(ctx, world->db, &busy, &next_ms), ERR_OK);
	assert_int_equal(next_ms, 3);
}

static void queue__given_up__the_newest_stay(void **state)
{
	struct world *world = *state;
	const struct pusher_row row = pusher_of(STR("@up:hs"), "http");
	struct push_due found = {0};
	int64_t nid = make(world, &row);
	for (int64_t position = 20; position < 25; position++) {
		enqueue(world, row.user_id, position, NOW);
	}
	assert_int_equal(store_push_give_up(&world->ctx, world->db, nid, 2), ERR_OK);
	assert_int_equal(due(world, NOW, row.user_id, &found), 1);
	assert_int_equal(found.position, 23);
}

static void queue__of_mails__due_later_paused_and_unsubscribed(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	const struct pusher_row row = pusher_of(STR("@mail:hs"), "email");
	struct push_waiting *waiting;
	struct push_due found = {0};
	struct str address;
	size_t count;
	int64_t nid = make(world, &row);
	enqueue(world, row.user_id, 30, NOW);
	enqueue(world, row.user_id, 31, NOW + 10);
	assert_int_equal(due(world, NOW + DELAY - 1, row.user_id, &found), 0);
	assert_int_equal(due(world, NOW + DELAY, row.user_id, &found), 1);
	assert_true(found.is_mail);
	assert_true(str_equals(found.unsubscribe_token, STR("token")));
	assert_int_equal(store_push_waiting(ctx, world->db, nid, 10, &waiting, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_int_equal(waiting[0].position, 31);
	assert_int_equal(waiting[0].queued_at_ms, NOW + 10);
	assert_int_equal(waiting[1].position, 30);
	assert_false(waiting[1].is_read);
	assert_int_equal(store_push_mailed(ctx, world->db, nid, 30, NOW + 200, PAUSE), ERR_OK);
	assert_int_equal(due(world, NOW + 200 + PAUSE - 1, row.user_id, &found), 0);
	assert_int_equal(due(world, NOW + 200 + PAUSE, row.user_id, &found), 1);
	assert_int_equal(found.position, 31);
	assert_int_equal(found.mailed_at_ms, NOW + 200);
	assert_int_equal(found.mail_pause_ms, PAUSE);
	assert_int_equal(store_push_postpone(ctx, world->db, nid, NOW + 80000, 10000), ERR_OK);
	assert_int_equal(due(world, NOW + 89999, row.user_id, &found), 0);
	assert_int_equal(store_pusher_unsubscribe_peek(ctx, world->db, nid, STR("no"), &address),
		ERR_MISSING);
	assert_int_equal(store_pusher_unsubscribe_peek(ctx, world->db, nid, STR("token"), &address),
		ERR_OK);
	assert_true(str_equals(address, row.pushkey));
	assert_int_equal(store_pusher_unsubscribe(ctx, world->db, nid, STR("no")), ERR_MISSING);
	assert_int_equal(store_pusher_unsubscribe(ctx, world->db, nid, STR("token")), ERR_OK);
	assert_int_equal(due(world, INT64_MAX, row.user_id, &found), 0);
}

/* By a clock that was set back, one that waits for longer than its own pause, and a fifth, is due; others are left alone. */
static void queue__clock_set_back__due_beyond_its_own_pause(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	const struct pusher_row gate = pusher_of(STR("@back:hs"), "http");
	const struct pusher_row mail = pusher_of(STR("@backmail:hs"), "email");
	struct push_due found = {0};
	int64_t nid = make(world, &gate);
	(void)make(world, &mail);
	enqueue(world, gate.user_id, 40, NOW);
	enqueue(world, mail.user_id, 41, NOW);
	assert_int_equal(store_push_failed(ctx, world->db, nid, NOW, 1000), ERR_OK);
	assert_int_equal(store_push_set_back(ctx, world->db, NOW - 200), ERR_OK);
	assert_int_equal(due(world, NOW - 200, gate.user_id, &found), 0);
	assert_int_equal(store_push_set_back(ctx, world->db, NOW - 201), ERR_OK);
	assert_int_equal(due(world, NOW - 201, gate.user_id, &found), 1);
	assert_int_equal(store_push_set_back(ctx, world->db, NOW - DELAY), ERR_OK);
	assert_int_equal(due(world, NOW - DELAY, mail.user_id, &found), 1);
	assert_int_equal(store_push_postpone(ctx, world->db, found.pusher_nid, NOW, PAUSE), ERR_OK);
	assert_int_equal(store_push_set_back(ctx, world->db, NOW - PAUSE / 5), ERR_OK);
	assert_int_equal(due(world, NOW + PAUSE - 1, mail.user_id, &found), 0);
	assert_int_equal(store_push_set_back(ctx, world->db, NOW - PAUSE / 5 - 1), ERR_OK);
	assert_int_equal(due(world, NOW, mail.user_id, &found), 1);
}

static void read_up_to(struct world *world, struct str user_id, const char *thread_id,
	int64_t position)
{
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	PGresult *result = PQexec(conn,
		arena_printf(world->ctx.arena,
			"INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, "
			"event_position, ts, position) VALUES (7, '%.*s', 'm.read', '%s', '$e', %lld, 1, 1)",
			STR_ARG(user_id), thread_id, (long long)position));
	assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	PQfinish(conn);
}

static void assert_read(struct world *world, const struct pusher_row *row, int64_t nid,
	bool is_read)
{
	struct push_due found = {0};
	struct push_waiting *waiting;
	size_t count;
	assert_int_equal(due(world, NOW, row->user_id, &found), 1);
	assert_int_equal(found.is_read, is_read);
	assert_int_equal(store_push_waiting(&world->ctx, world->db, nid, 10, &waiting, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(waiting[0].is_read, is_read);
}

/* The event is in no thread. */
static void queue__read_meanwhile__by_a_receipt_at_it_of_its_own_thread_or_of_none(void **state)
{
	struct world *world = *state;
	const struct pusher_row row = pusher_of(STR("@main:hs"), "http");
	const struct pusher_row other = pusher_of(STR("@whole:hs"), "http");
	int64_t nid = make(world, &row);
	int64_t other_nid = make(world, &other);
	enqueue(world, row.user_id, 60, NOW);
	enqueue(world, other.user_id, 60, NOW);
	assert_read(world, &row, nid, false);
	read_up_to(world, row.user_id, "$thread", 61);
	assert_read(world, &row, nid, false);
	read_up_to(world, row.user_id, "main", 60);
	assert_read(world, &row, nid, true);
	assert_read(world, &other, other_nid, false);
	read_up_to(world, other.user_id, "", 60);
	assert_read(world, &other, other_nid, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pusher__set_again__changed_and_not_due),
		TEST(queue__of_a_gateway__in_order_until_done),
		TEST(queue__of_two__in_turn),
		TEST(queue__given_up__the_newest_stay),
		TEST(queue__of_mails__due_later_paused_and_unsubscribed),
		TEST(queue__clock_set_back__due_beyond_its_own_pause),
		TEST(queue__read_meanwhile__by_a_receipt_at_it_of_its_own_thread_or_of_none),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
