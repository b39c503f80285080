/*
 * Sources of notices on a real PostgreSQL: an item is known and a notice, or neither.
 */
#include "storage/notice_source.h"

#include "storage/account.h"
#include "storage/notice.h"
#include "tests/storage/world.h"

enum { LIMIT = 3 };

/* Of a sender of its own. */
static int64_t make_source(struct world *world, const char *sender)
{
	struct ctx *ctx = &world->ctx;
	int64_t source_id;
	const struct account_row account = {.user_id = str_of(sender)};
	const struct notice_source_row row = {.sender = account.user_id,
		.targets = STR("#a:hs1 #b:hs1"),
		.url = STR("https://a.example/"),
		.language = STR(""),
		.every_ms = 60000,
		.at_time = STR("07:00")};
	assert_int_equal(IN_TX(world, store_account_insert(ctx, tx, &account)), ERR_OK);
	assert_int_equal(IN_TX(world, store_notice_sender_insert(ctx, tx, account.user_id, 1)), ERR_OK);
	assert_int_equal(store_notice_source_insert(ctx, world->db, &row, 100, &source_id), ERR_OK);
	return source_id;
}

/* @return the notice's number, 0: none */
static int64_t post(struct world *world, int64_t source_id, const char *key, const char *version,
	int64_t starts_at_ms)
{
	int64_t notice_id;
	const struct notice_source_post row = {.source_id = source_id,
		.item = {.key = str_of(key),
			.version = str_of(version),
			.title = STR("trip"),
			.starts_at_ms = starts_at_ms},
		.texts = STR("[{\"lang\":\"\",\"text\":\"x\"}]"),
		.zone = STR("UTC"),
		.now_ms = 1000,
		.limit = LIMIT};
	assert_int_equal(store_notice_source_post(&world->ctx, world->db, &row, &notice_id), ERR_OK);
	return notice_id;
}

static size_t count_known(struct world *world, int64_t source_id, const char *key)
{
	struct notice_source_item_row *items;
	size_t count;
	struct str keys[] = {str_of(key)};
	assert_int_equal(
		store_notice_source_items_find(&world->ctx, world->db, source_id, keys, 1, &items, &count),
		ERR_OK);
	return count;
}

static void post__item__once_for_each_version_and_with_all_targets(void **state)
{
	struct world *world = *state;
	struct notice_target_row *targets;
	size_t count;
	int64_t source_id = make_source(world, "@office0:hs1");
	int64_t first = post(world, source_id, "a", "1", 0);
	assert_true(first > 0);
	assert_int_equal(post(world, source_id, "a", "1", 0), 0);
	assert_true(post(world, source_id, "a", "2", 0) > first);
	assert_int_equal(store_notice_targets(&world->ctx, world->db, first, &targets, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_true(str_equals(targets[1].target, STR("#b:hs1")));
	assert_int_equal(post(world, source_id + 1000, "a", "1", 0), 0); /* there is no such source */
}

static void post__sender_has_too_many_that_wait__neither_known_nor_a_notice(void **state)
{
	struct world *world = *state;
	int64_t source_id = make_source(world, "@office1:hs1");
	for (int i = 0; i < LIMIT; i++) {
		const char key[] = {(char)('a' + i), '\0'};
		assert_true(post(world, source_id, key, "", 0) > 0);
	}
	assert_int_equal(post(world, source_id, "z", "", 0), 0);
	assert_int_equal(count_known(world, source_id, "z"), 0);
	assert_int_equal(count_known(world, source_id, "a"), 1);
}

static void took__items_noted__a_known_version_is_not_posted_and_another_is(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	struct notice_source_row row;
	struct notice_source_item_row *coming;
	size_t count;
	struct str body;
	const struct str keys[] = {STR("a"), STR("b")};
	const struct str versions[] = {STR("1"), STR("")};
	int64_t source_id = make_source(world, "@office2:hs1");
	const struct notice_source_taken taken = {.source_id = source_id,
		.keys = keys,
		.versions = versions,
		.count = 2,
		.title = STR("News"),
		.etag = STR("\"x\""),
		.body = STR("BEGIN:VCALENDAR"),
		.now_ms = 50,
		.next_at_ms = 70};
	assert_int_equal(store_notice_source_failed(ctx, world->db, source_id, 10, STR("why")), ERR_OK);
	assert_int_equal(store_notice_source_took(ctx, world->db, &taken), ERR_OK);
	assert_int_equal(store_notice_source_get(ctx, world->db, source_id, &row), ERR_OK);
	assert_true(row.is_primed && row.failures == 0 && row.problem.p == NULL);
	assert_true(str_equals(row.etag, STR("\"x\"")) && row.modified.p == NULL);
	assert_int_equal(row.next_at_ms, 70);
	assert_int_equal(row.posted, 0);
	assert_int_equal(store_notice_source_body(ctx, world->db, source_id, &body), ERR_OK);
	assert_true(str_equals(body, STR("BEGIN:VCALENDAR")));
	assert_int_equal(post(world, source_id, "a", "1", 2000), 0);
	assert_true(post(world, source_id, "a", "2", 2000) > 0);
	assert_int_equal(
		store_notice_source_items_coming(ctx, world->db, source_id, 1999, 10, &coming, &count),
		ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(coming[0].key, STR("a")) && coming[0].starts_at_ms == 2000);
	assert_int_equal(
		store_notice_source_items_coming(ctx, world->db, source_id, 2000, 10, &coming, &count),
		ERR_OK);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(post__item__once_for_each_version_and_with_all_targets),
		TEST(post__sender_has_too_many_that_wait__neither_known_nor_a_notice),
		TEST(took__items_noted__a_known_version_is_not_posted_and_another_is),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
