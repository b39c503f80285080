/*
 * Application services and their queues on a real PostgreSQL.
 */
#include "storage/appservice.h"

#include "storage/appservice_queue.h"
#include "storage/consumer.h"
#include "tests/storage/world.h"

static const struct appservice_row irc = {.id = STR_INIT("irc"),
	.as_token_hash = STR_INIT("hash of irc"),
	.hs_token = STR_INIT("hs"),
	.registration = STR_INIT("{\"id\":\"irc\"}"),
	.changed_ms = 10};

static enum err put(struct world *world, const struct appservice_row *row)
{
	enum err err = IN_TX(world,
		store_appservice_lock(&world->ctx, tx) != ERR_OK
			? ERR_INTERNAL
			: store_appservice_put(&world->ctx, tx, row));
	return err;
}

static int64_t version(struct world *world)
{
	int64_t found = 0;
	assert_int_equal(store_appservice_version(&world->ctx, world->db, &found), ERR_OK);
	return found;
}

static void appservice__put_and_deleted__listed_and_the_version_grows(void **state)
{
	struct world *world = *state;
	struct appservice_row *rows;
	size_t count;
	int64_t before = version(world);
	assert_int_equal(put(world, &irc), ERR_OK);
	assert_true(version(world) > before);
	before = version(world);
	struct appservice_row changed = irc;
	changed.hs_token = STR("other");
	changed.changed_ms = 20;
	assert_int_equal(put(world, &changed), ERR_OK);
	assert_true(version(world) > before);
	assert_int_equal(store_appservice_list(&world->ctx, world->db, &rows, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(rows[0].hs_token, STR("other")));
	assert_true(str_equals(rows[0].as_token_hash, irc.as_token_hash));
	assert_int_equal(rows[0].added_ms, 10);
	assert_int_equal(rows[0].changed_ms, 20);
	before = version(world);
	assert_int_equal(store_appservice_delete(&world->ctx, world->db, STR("irc")), ERR_OK);
	assert_true(version(world) > before);
	assert_int_equal(store_appservice_delete(&world->ctx, world->db, STR("irc")), ERR_MISSING);
}

static void appservice__token_of_another__conflict_and_nothing_changed(void **state)
{
	struct world *world = *state;
	struct appservice_row *rows;
	size_t count;
	struct appservice_row other = irc;
	other.id = STR("other");
	assert_int_equal(put(world, &irc), ERR_OK);
	int64_t before = version(world);
	assert_int_equal(put(world, &other), ERR_CONFLICT);
	assert_int_equal(version(world), before);
	assert_int_equal(store_appservice_list(&world->ctx, world->db, &rows, &count), ERR_OK);
	assert_int_equal(count, 1);
}

/* --- queues ------------------------------------------------------------------------------------------------------ */

/* A service whose id is the test's own, with no queue yet. */
static void add_service(struct world *world, struct str id)
{
	struct appservice_row row = irc;
	row.id = row.as_token_hash = id;
	assert_int_equal(put(world, &row), ERR_OK);
}

static struct appservice_news news_of(struct str id, int64_t position,
	enum appservice_news_kind kind)
{
	return (struct appservice_news){.appservice_id = id,
		.position = position,
		.kind = kind,
		.room_nid = 5,
		.event_position = position};
}

static void enqueue(struct world *world, const struct appservice_news *news, size_t count)
{
	assert_int_equal(IN_TX(world, store_appservice_enqueue(&world->ctx, tx, news, count)), ERR_OK);
}

/* Events at positions 1 to `count`. */
static void fill(struct world *world, struct str id, int64_t count)
{
	for (int64_t i = 1; i <= count; i++) {
		struct appservice_news news = news_of(id, i, APPSERVICE_NEWS_EVENT);
		enqueue(world, &news, 1);
	}
}

static size_t waiting(struct world *world, struct str id)
{
	struct appservice_news *news;
	size_t count;
	assert_int_equal(store_appservice_queue_next(&world->ctx, world->db, id, 1000, &news, &count),
		ERR_OK);
	return count;
}

static enum err make(struct world *world, struct str id, struct str before, struct str txn_id,
	struct str body, int64_t up_to)
{
	const struct appservice_transaction transaction = {.appservice_id = id,
		.before = before,
		.txn_id = txn_id,
		.body = body,
		.up_to = up_to};
	return store_appservice_transaction_make(&world->ctx, world->db, &transaction);
}

static void assert_open(struct world *world, struct db *db, struct str id, struct str txn_id,
	struct str body)
{
	struct str found_id;
	struct str found;
	assert_int_equal(store_appservice_transaction_open(&world->ctx, db, id, &found_id, &found),
		ERR_OK);
	assert_true(str_equals(found_id, txn_id));
	assert_true(str_equals(found, body));
}

static bool is_open(struct world *world, struct str id)
{
	struct str txn_id;
	struct str body;
	enum err err = store_appservice_transaction_open(&world->ctx, world->db, id, &txn_id, &body);
	assert_true(err == ERR_OK || err == ERR_MISSING);
	return err == ERR_OK;
}

static struct appservice_delivery delivery(struct world *world, struct str id)
{
	struct appservice_delivery *rows;
	size_t count;
	size_t i = 0;
	assert_int_equal(store_appservice_deliveries(&world->ctx, world->db, &rows, &count), ERR_OK);
	while (i < count && !str_equals(rows[i].id, id)) {
		i++;
	}
	assert_true(i < count);
	return rows[i];
}

static void queue__filled_out_of_order_and_twice__next_in_order_each_once(void **state)
{
	struct world *world = *state;
	struct str id = STR("order");
	struct appservice_news *news;
	size_t count;
	add_service(world, id);
	const struct appservice_news given[] = {
		news_of(id, 30, APPSERVICE_NEWS_EVENT),
		news_of(id, 10, APPSERVICE_NEWS_KEYS),
		news_of(id, 10, APPSERVICE_NEWS_EVENT),
		news_of(STR("nobody"), 15, APPSERVICE_NEWS_EVENT),
		news_of(id, 20, APPSERVICE_NEWS_EVENT),
	};
	enqueue(world, given, COUNT_OF(given));
	enqueue(world, given, COUNT_OF(given));
	assert_int_equal(waiting(world, STR("nobody")), 0);
	assert_int_equal(waiting(world, id), 4);
	assert_int_equal(store_appservice_queue_next(&world->ctx, world->db, id, 3, &news, &count),
		ERR_OK);
	assert_int_equal(count, 3);
	assert_int_equal(news[0].position, 10);
	assert_int_equal(news[0].kind, APPSERVICE_NEWS_EVENT);
	assert_int_equal(news[0].room_nid, 5);
	assert_int_equal(news[0].event_position, 10);
	assert_int_equal(news[1].kind, APPSERVICE_NEWS_KEYS);
	assert_int_equal(news[2].position, 20);
}

static void transaction__made_and_failing__the_same_bytes_until_it_is_taken(void **state)
{
	struct world *world = *state;
	struct str id = STR("bytes");
	struct str body = STR("{\"events\":[1,  2],\"x\":\"\\u0000\"}");
	const struct appservice_failure failure = {.id = id,
		.interval_ms = 40,
		.retry_at_ms = 140,
		.now_ms = 100,
		.cause = STR("status 500")};
	add_service(world, id);
	fill(world, id, 5);
	assert_int_equal(make(world, id, str_from(NULL, 0), STR("first"), body, 3), ERR_OK);
	assert_int_equal(waiting(world, id), 2); /* positions 4 and 5: in no transaction yet */
	for (int i = 0; i < 2; i++) {
		assert_open(world, world->db, id, STR("first"), body);
		assert_int_equal(store_appservice_transaction_failed(&world->ctx, world->db, &failure),
			ERR_OK);
	}
	fill(world, id, 7); /* what comes meanwhile does not get into it */
	assert_open(world, world->db, id, STR("first"), body);
	struct appservice_delivery row = delivery(world, id);
	assert_int_equal(row.failures, 2);
	assert_int_equal(row.interval_ms, 40);
	assert_int_equal(row.retry_at_ms, 140);
	assert_int_equal(
		store_appservice_transaction_taken(&world->ctx, world->db, id, STR("other"), 9), ERR_OK);
	assert_true(is_open(world, id));
	assert_int_equal(
		store_appservice_transaction_taken(&world->ctx, world->db, id, STR("first"), 9), ERR_OK);
	assert_false(is_open(world, id));
	row = delivery(world, id);
	assert_int_equal(row.failures, 0);
	assert_true(str_equals(row.txn_id, STR("first")));
}

static void transaction__of_one_who_does_not_know_the_newest__conflict_and_nothing_changed(
	void **state)
{
	struct world *world = *state;
	struct str id = STR("conflict");
	struct str none = str_from(NULL, 0);
	add_service(world, id);
	fill(world, id, 4);
	assert_int_equal(make(world, id, none, STR("ours"), STR("{}"), 2), ERR_OK);
	assert_int_equal(make(world, id, none, STR("theirs"), STR("[]"), 4), ERR_CONFLICT);
	assert_open(world, world->db, id, STR("ours"), STR("{}"));
	assert_int_equal(waiting(world, id), 2);
	assert_int_equal(make(world, id, STR("ours"), STR("next"), STR("[1]"), 4), ERR_OK);
	assert_open(world, world->db, id, STR("next"), STR("[1]"));
	assert_int_equal(waiting(world, id), 0);
}

static void lease__two_processes__one_at_a_time(void **state)
{
	struct world *world = *state;
	struct db *one = world_connect(1);
	struct db *two = world_connect(1);
	bool has;
	assert_int_equal(store_consumer_lease(&world->ctx, one, STR("queues"), &has), ERR_OK);
	assert_true(has);
	assert_int_equal(store_consumer_lease(&world->ctx, two, STR("queues"), &has), ERR_OK);
	assert_false(has);
	db_destroy(one);
	do { /* the database notices the end of a connection by itself */
		assert_int_equal(store_consumer_lease(&world->ctx, two, STR("queues"), &has), ERR_OK);
	} while (!has);
	db_destroy(two);
}

static void restart__connections_gone__transaction_and_queue_are_as_before(void **state)
{
	struct world *world = *state;
	struct str id = STR("restart");
	add_service(world, id);
	fill(world, id, 3);
	assert_int_equal(make(world, id, str_from(NULL, 0), STR("first"), STR("{}"), 1), ERR_OK);
	struct db *other = world_connect(1);
	assert_open(world, other, id, STR("first"), STR("{}"));
	db_destroy(other);
	assert_int_equal(waiting(world, id), 2);
	assert_true(delivery(world, id).is_open);
	assert_true(delivery(world, id).has_queue);
}

static void removal__things_are_queued__all_of_it_goes_and_nothing_comes_back(void **state)
{
	struct world *world = *state;
	struct str id = STR("removed");
	add_service(world, id);
	add_service(world, STR("stays"));
	fill(world, id, 3);
	fill(world, STR("stays"), 3);
	assert_int_equal(make(world, id, str_from(NULL, 0), STR("first"), STR("{}"), 1), ERR_OK);
	assert_int_equal(store_appservice_delete(&world->ctx, world->db, id), ERR_OK);
	assert_int_equal(waiting(world, id), 0);
	assert_false(is_open(world, id));
	assert_int_equal(make(world, id, STR("first"), STR("late"), STR("{}"), 3), ERR_CONFLICT);
	fill(world, id, 4); /* a round that still knew it */
	assert_int_equal(waiting(world, id), 0);
	add_service(world, id);
	assert_int_equal(waiting(world, id), 0);
	assert_true(delivery(world, id).txn_id.p == NULL);
	assert_int_equal(waiting(world, STR("stays")), 3);
}

static void retry__of_one_that_fails__due_at_once_and_the_version_grows(void **state)
{
	struct world *world = *state;
	struct str id = STR("retried");
	const struct appservice_failure failure = {.id = id, .retry_at_ms = 1000, .cause = STR("x")};
	add_service(world, id);
	int64_t before = version(world);
	assert_int_equal(store_appservice_retry(&world->ctx, world->db, id), ERR_OK);
	assert_int_equal(version(world), before);
	assert_int_equal(store_appservice_transaction_failed(&world->ctx, world->db, &failure), ERR_OK);
	assert_int_equal(store_appservice_retry(&world->ctx, world->db, id), ERR_OK);
	assert_int_equal(delivery(world, id).retry_at_ms, 0);
	assert_int_equal(delivery(world, id).failures, 1);
	assert_true(version(world) > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(appservice__put_and_deleted__listed_and_the_version_grows),
		TEST(appservice__token_of_another__conflict_and_nothing_changed),
		TEST(queue__filled_out_of_order_and_twice__next_in_order_each_once),
		TEST(transaction__made_and_failing__the_same_bytes_until_it_is_taken),
		TEST(transaction__of_one_who_does_not_know_the_newest__conflict_and_nothing_changed),
		TEST(lease__two_processes__one_at_a_time),
		TEST(restart__connections_gone__transaction_and_queue_are_as_before),
		TEST(removal__things_are_queued__all_of_it_goes_and_nothing_comes_back),
		TEST(retry__of_one_that_fails__due_at_once_and_the_version_grows),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
