/*
 * Migrations on a real PostgreSQL: what is refused, and that it is before anything is touched.
 */
#include "storage/migrate.h"

#include "gen/embedded_migrations.h"
#include "storage/consumer.h"
#include "storage/pg.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <string.h>

static void migrate__again__nothing_to_do(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(migrate_run(&ctx, world_url, embedded_migrations, embedded_migrations_count),
		ERR_OK);
}

static void migrate__edited__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct embedded_migration *table =
		ARENA_NEW_ARRAY(arena, struct embedded_migration, embedded_migrations_count);
	memcpy(table, embedded_migrations, embedded_migrations_count * sizeof(*table));
	table[1].sha256_hex = "0000";
	assert_int_equal(migrate_run(&ctx, world_url, table, embedded_migrations_count), ERR_CONFLICT);
	assert_true(str_contains(ctx.fault.text, STR("Migration 2")));
}

static void migrate__database_newer__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(
		migrate_run(&ctx, world_url, embedded_migrations, embedded_migrations_count - 1),
		ERR_CONFLICT);
	assert_true(str_contains(ctx.fault.text, STR("newer")));
}

/* One more than there are, beside which no old process may run. */
static struct embedded_migration *with_one_for_itself(struct arena *arena)
{
	size_t n = embedded_migrations_count;
	struct embedded_migration *table = ARENA_NEW_ARRAY(arena, struct embedded_migration, n + 1);
	memcpy(table, embedded_migrations, n * sizeof(*table));
	table[n] = (struct embedded_migration){.number = (int)n + 1,
		.name = "one_for_itself",
		.text = "CREATE TABLE for_itself (n integer)",
		.sha256_hex = "0",
		.is_alone = true};
	return table;
}

static void migrate__not_beside_old_processes__refused_while_one_runs(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const struct embedded_migration *table = with_one_for_itself(arena);
	size_t count = embedded_migrations_count + 1;
	struct db *db = world_connect(1);
	struct db *leases = store_leases_create(db);
	bool is_ours = false;
	assert_int_equal(store_consumer_lease(&ctx, leases, STR("test"), &is_ours), ERR_OK);
	assert_true(is_ours);
	assert_int_equal(migrate_run(&ctx, world_url, table, count), ERR_CONFLICT);
	assert_true(str_contains(ctx.fault.text, STR("one_for_itself")));
	db_destroy(leases);
	db_destroy(db);
	assert_int_equal(migrate_run(&ctx, world_url, table, count), ERR_OK);
	/* The database is this program's tests': they know nothing of it. */
	struct pg pg;
	pg_init(&pg, world_url, 5000);
	assert_int_equal(pg_ensure(&ctx, &pg), ERR_OK);
	assert_int_equal(
		pg_exec(&ctx, &pg,
			"DELETE FROM schema_migrations WHERE name = 'one_for_itself'; DROP TABLE for_itself",
			5000),
		ERR_OK);
	pg_close(&pg);
}

/* Names those that are not. The table of migrations is none of theirs. */
static void migrate__what_it_makes__is_commented(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	PGconn *conn = PQconnectdb(arena_printf(arena, "%.*s", STR_ARG(world_url)));
	PGresult *result = PQexec(conn,
		"SELECT coalesce(string_agg(name, ' '), '') FROM ("
		" SELECT oid::regprocedure::text AS name, obj_description(oid, 'pg_proc') AS about FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
		"UNION ALL SELECT oid::regclass::text, obj_description(oid, 'pg_class') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
		"UNION ALL SELECT attrelid::regclass || '.' || attname, col_description(attrelid, attnum) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
		" WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
		") AS made WHERE about IS NULL AND name NOT LIKE 'schema_migrations%'");
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	assert_string_equal(PQgetvalue(result, 0, 0), "");
	PQclear(result);
	PQfinish(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(migrate__again__nothing_to_do),
		cmocka_unit_test(migrate__what_it_makes__is_commented),
		cmocka_unit_test(migrate__edited__refused),
		cmocka_unit_test(migrate__database_newer__refused),
		cmocka_unit_test(migrate__not_beside_old_processes__refused_while_one_runs),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
