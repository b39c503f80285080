/*
 * Application services on a real PostgreSQL.
 */
#include "storage/appservice.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(appservice__put_and_deleted__listed_and_the_version_grows),
		TEST(appservice__token_of_another__conflict_and_nothing_changed),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
