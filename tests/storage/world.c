#include "tests/storage/world.h"

#include "gen/embedded_migrations.h"
#include "storage/account.h"
#include "storage/device.h"
#include "storage/migrate.h"
#include "storage/pg.h"
#include "storage/room.h"

struct str world_url;

int world_set_up_all(void **state)
{
	(void)state;
	world_url = str_of(getenv("BELFRY_TEST_DATABASE_URL"));
	assert_true(world_url.n > 0);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	assert_int_equal(migrate_run(&ctx, world_url, embedded_migrations, embedded_migrations_count),
		ERR_OK);
	return 0;
}

struct db *world_connect(int pool_size)
{
	return db_create(&(struct db_config){.url = world_url,
		.pool_size = pool_size,
		.statement_timeout_ms = 20000,
		.acquire_timeout_ms = 20000});
}

int world_set_up(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));
	ctx_init(&world->ctx, arena_create());
	world->db = world_connect(2);
	*state = world;
	return 0;
}

int world_tear_down(void **state)
{
	struct world *world = *state;
	db_destroy(world->db);
	arena_destroy(world->ctx.arena);
	test_free(world);
	return 0;
}

void world_kill_backends(void)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct pg pg;
	ctx_init(&ctx, arena);
	pg_init(&pg, world_url, 20000);
	assert_int_equal(pg_ensure(&ctx, &pg), ERR_OK);
	assert_int_equal(pg_exec(&ctx, &pg,
						 "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity "
						 "WHERE application_name = 'belfry' AND pid <> pg_backend_pid()",
						 20000),
		ERR_OK);
	pg_close(&pg);
}

void world_add_transaction(struct write *write, struct ctx *ctx, const char *key)
{
	write_set_positions(write, 1);
	store_transaction_insert(write, str_of(key), str_printf(ctx->arena, "$%s", key), 1);
}

bool world_has_transaction(const char *key)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct db *db = world_connect(1);
	struct str event_id;
	enum err err = store_transaction_find(&ctx, db, str_of(key), &event_id);
	db_destroy(db);
	return err == ERR_OK;
}

void world_add_account(struct world *world, struct str user_id)
{
	struct account_row row = {.user_id = user_id, .password_hash = STR("hash"), .created_at_ms = 7};
	assert_int_equal(IN_TX(world, store_account_insert(&world->ctx, tx, &row)), ERR_OK);
}

void world_add_device(struct world *world, struct str user_id, struct str device_id)
{
	struct device_row row = {.device_id = device_id,
		.display_name = STR("Phone"),
		.last_seen_ms = 10};
	assert_int_equal(IN_TX(world, store_device_upsert(&world->ctx, tx, user_id, &row)), ERR_OK);
}
