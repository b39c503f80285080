/*
 * Rendezvous sessions on a real PostgreSQL: that they end, that of two who write at once one is told of the other, and that the table does
 * not grow.
 */
#include "storage/rendezvous.h"

#include "base/lock.h"
#include "tests/storage/world.h"

#include <inttypes.h>

enum { NOW_MS = 1000, END_MS = 2000, RIVALS = 6, SLOTS = 4096 };

static void begin(struct world *world, struct str id)
{
	const struct rendezvous_row row = {
		.id_hash = id,
		.etag = STR("first"),
		.payload = STR(""),
		.modified_ms = NOW_MS,
		.expires_ms = END_MS,
	};
	assert_int_equal(store_rendezvous_insert(&world->ctx, world->db, &row), ERR_OK);
}

static enum err find(struct world *world, struct str id, int64_t now_ms, struct rendezvous_row *out)
{
	return store_rendezvous_find(&world->ctx, world->db, id, now_ms, out);
}

static struct rendezvous_row message(struct str id, const char *etag, struct str payload)
{
	return (struct rendezvous_row){
		.id_hash = id,
		.etag = str_of(etag),
		.payload = payload,
		.modified_ms = NOW_MS + 5,
	};
}

static void session__written_by_who_has_seen_the_last__replaced(void **state)
{
	struct world *world = *state;
	struct str id = STR("written");
	struct rendezvous_row row = message(id, "second", STR("any\0\xff"));
	struct rendezvous_row found;
	begin(world, id);
	assert_int_equal(store_rendezvous_replace(&world->ctx, world->db, STR("first"), &row), ERR_OK);
	assert_int_equal(row.expires_ms, END_MS);
	row = message(id, "third", STR("too late"));
	assert_int_equal(store_rendezvous_replace(&world->ctx, world->db, STR("first"), &row),
		ERR_CONFLICT);
	assert_true(str_equals(row.etag, STR("second")) && row.modified_ms == NOW_MS + 5);
	assert_int_equal(find(world, id, NOW_MS, &found), ERR_OK);
	assert_true(str_equals(found.payload, STR("any\0\xff")));
	assert_true(str_equals(found.etag, STR("second")) && found.expires_ms == END_MS);
}

static void session__ended__neither_read_nor_written_nor_ended(void **state)
{
	struct world *world = *state;
	struct rendezvous_row row = message(STR("late"), "second", STR("x"));
	begin(world, STR("late"));
	row.modified_ms = END_MS;
	assert_int_equal(store_rendezvous_replace(&world->ctx, world->db, STR("first"), &row),
		ERR_MISSING);
	assert_int_equal(find(world, STR("late"), END_MS, &row), ERR_MISSING);
	assert_int_equal(store_rendezvous_delete(&world->ctx, world->db, STR("late"), END_MS),
		ERR_MISSING);
	assert_int_equal(find(world, STR("late"), END_MS - 1, &row), ERR_OK);
	assert_int_equal(store_rendezvous_delete_old(&world->ctx, world->db, END_MS - 1), ERR_OK);
	assert_int_equal(find(world, STR("late"), END_MS - 1, &row), ERR_OK);
	assert_int_equal(store_rendezvous_delete_old(&world->ctx, world->db, END_MS), ERR_OK);
	assert_int_equal(find(world, STR("late"), END_MS - 1, &row), ERR_MISSING);
}

static void session__deleted__once(void **state)
{
	struct world *world = *state;
	struct rendezvous_row row;
	begin(world, STR("gone"));
	begin(world, STR("other"));
	assert_int_equal(store_rendezvous_delete(&world->ctx, world->db, STR("gone"), NOW_MS), ERR_OK);
	assert_int_equal(store_rendezvous_delete(&world->ctx, world->db, STR("gone"), NOW_MS),
		ERR_MISSING);
	assert_int_equal(find(world, STR("gone"), NOW_MS, &row), ERR_MISSING);
	assert_int_equal(find(world, STR("other"), NOW_MS, &row), ERR_OK);
}

/* Anybody may begin sessions, as many as they like. */
static void session__more_than_there_is_place_for__oldest_goes(void **state)
{
	struct world *world = *state;
	struct rendezvous_row row;
	for (int64_t i = 0; i <= SLOTS; i++) {
		begin(world, str_printf(world->ctx.arena, "many %" PRId64, i));
	}
	assert_int_equal(find(world, STR("many 0"), NOW_MS, &row), ERR_MISSING);
	assert_int_equal(find(world, STR("many 1"), NOW_MS, &row), ERR_OK);
	assert_int_equal(find(world, STR("many 4096"), NOW_MS, &row), ERR_OK);
}

struct rival {
	struct db *db;
	struct rendezvous_row row;
	enum err err;
};

static void *write_too(void *data)
{
	struct rival *rival = data;
	struct ctx ctx;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	ctx_init(&ctx, arena);
	rival->err = store_rendezvous_replace(&ctx, rival->db, STR("first"), &rival->row);
	rival->row.etag = (struct str){0};
	return NULL;
}

static void session__written_by_many_at_once__by_one(void **state)
{
	struct world *world = *state;
	struct rival rivals[RIVALS];
	pthread_t threads[RIVALS];
	struct db *db = world_connect(RIVALS);
	size_t won = 0;
	begin(world, STR("wanted"));
	for (size_t i = 0; i < RIVALS; i++) {
		rivals[i] = (struct rival){.db = db,
			.row = message(STR("wanted"),
				str_cstr(world->ctx.arena, str_printf(world->ctx.arena, "etag %zu", i)), STR("x"))};
		threads[i] = thread_start("rival", write_too, &rivals[i]);
	}
	for (size_t i = 0; i < RIVALS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_true(rivals[i].err == ERR_OK || rivals[i].err == ERR_CONFLICT);
		won += rivals[i].err == ERR_OK;
	}
	assert_int_equal(won, 1);
	db_destroy(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(session__written_by_who_has_seen_the_last__replaced),
		TEST(session__ended__neither_read_nor_written_nor_ended),
		TEST(session__deleted__once),
		TEST(session__more_than_there_is_place_for__oldest_goes),
		TEST(session__written_by_many_at_once__by_one),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
