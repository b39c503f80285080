/*
 * Keys of other servers on a real PostgreSQL: what is kept, and its ceilings.
 */
#include "storage/server_key.h"

#include "tests/storage/world.h"

#include <string.h>

/* Each test begins with none. */
static int set_up(void **state)
{
	(void)world_set_up(state);
	struct world *world = *state;
	assert_int_equal(store_server_key_forget(&world->ctx, world->db, 0, 0), ERR_OK);
	return 0;
}

static struct server_key key_of(struct world *world, int number, bool is_old)
{
	struct server_key key = {.key_id = str_printf(world->ctx.arena, "ed25519:k%d", number),
		.is_old = is_old,
		.expired_ts = is_old ? 77 : 0,
		.valid_until_ts = 1000 + number};
	memset(key.public_key, number & 0xFF, sizeof(key.public_key));
	return key;
}

static void put(struct world *world, struct str server, int64_t valid_until_ms, int64_t now_ms,
	const struct server_key *keys, size_t count)
{
	struct str text = str_printf(world->ctx.arena, "{\"at\":%lld}", (long long)now_ms);
	assert_int_equal(store_server_key_put(&world->ctx, world->db,
						 &(struct server_key_answer){server, text, valid_until_ms, now_ms}, keys,
						 count),
		ERR_OK);
}

static size_t count_keys(struct world *world, struct str server, struct server_key_row **out)
{
	size_t count;
	assert_int_equal(store_server_key_list(&world->ctx, world->db, &server, 1, out, &count),
		ERR_OK);
	return count;
}

static void keys__put_and_put_again__the_newer_ones(void **state)
{
	struct world *world = *state;
	struct server_key_row *rows;
	struct server_key_answer *answers;
	size_t count;
	struct str names[] = {STR("a.example"), STR("b.example")};
	struct server_key keys[] = {key_of(world, 1, false), key_of(world, 2, true)};
	put(world, names[0], 500, 10, keys, 2);
	put(world, names[1], 500, 10, keys, 1);
	keys[0].is_old = true;
	keys[0].expired_ts = 99;
	put(world, names[0], 400, 20, keys, 1);
	assert_int_equal(store_server_key_list(&world->ctx, world->db, names, 2, &rows, &count),
		ERR_OK);
	assert_int_equal(count, 3);
	assert_true(str_equals(rows[0].server, names[0]) && str_equals(rows[1].server, names[0]));
	assert_true(str_equals(rows[0].key.key_id, STR("ed25519:k1"))); /* seen last */
	assert_true(rows[0].key.is_old && rows[0].key.expired_ts == 99);
	assert_true(rows[1].key.is_old && rows[1].key.expired_ts == 77);
	assert_false(rows[2].key.is_old);
	assert_memory_equal(rows[2].key.public_key, keys[0].public_key, ED25519_PUBLIC_BYTES);
	/* An answer that ends sooner than the known one does not take its place. */
	assert_int_equal(store_server_key_answers(&world->ctx, world->db, names, 1, &answers, &count),
		ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(answers[0].text, STR("{\"at\":10}")));
	assert_int_equal(answers[0].valid_until_ms, 500);
}

static void keys__of_one_server__no_more_than_are_kept(void **state)
{
	struct world *world = *state;
	struct server_key_row *rows;
	for (int i = 0; i < SERVER_KEYS_KEPT + 20; i += 10) {
		struct server_key keys[10];
		for (int j = 0; j < 10; j++) {
			keys[j] = key_of(world, i + j, false);
		}
		put(world, STR("many.example"), 500, i, keys, 10);
	}
	assert_int_equal(count_keys(world, STR("many.example"), &rows), SERVER_KEYS_KEPT);
	for (size_t i = 0; i < SERVER_KEYS_KEPT; i++) {
		assert_false(str_equals(rows[i].key.key_id, STR("ed25519:k0")));
	}
}

static void keys__of_many_servers__those_seen_longest_ago_go(void **state)
{
	struct world *world = *state;
	struct server_key_row *rows;
	struct server_key key = key_of(world, 1, false);
	for (int i = 1; i <= 10; i++) {
		put(world, str_printf(world->ctx.arena, "s%d.example", i), 500, (int64_t)i * 100, &key, 1);
	}
	assert_int_equal(store_server_key_forget(&world->ctx, world->db, 3, 3), ERR_OK);
	assert_int_equal(count_keys(world, STR("s1.example"), &rows), 0);
	assert_int_equal(count_keys(world, STR("s10.example"), &rows), 1);
	assert_int_equal(count_keys(world, STR("s8.example"), &rows), 1);
	assert_int_equal(store_server_key_forget(&world->ctx, world->db, 1000, 1000), ERR_OK);
	assert_int_equal(count_keys(world, STR("s8.example"), &rows), 1);
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(keys__put_and_put_again__the_newer_ones),
		FRESH(keys__of_one_server__no_more_than_are_kept),
		FRESH(keys__of_many_servers__those_seen_longest_ago_go),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
