/*
 * What a statement tells of its end.
 */
#include "storage/db.h"

#include "storage/consumer.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(db_exec__refused_at_its_commit__fails),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
