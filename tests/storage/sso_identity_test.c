/*
 * Users of identity providers on a real PostgreSQL.
 */
#include "storage/sso_identity.h"

#include "base/lock.h"
#include "tests/storage/world.h"

static const struct sso_identity lin = {STR_INIT("school"), STR_INIT("林-1")};

static enum err insert(struct world *world, const struct sso_identity *identity, struct str user_id)
{
	return IN_TX(world, store_sso_identity_insert(&world->ctx, tx, identity, user_id, 5));
}

static enum err find(struct world *world, const struct sso_identity *identity, struct str *out)
{
	return store_sso_identity_find(&world->ctx, world->db, identity, out);
}

static void identity__inserted__found_and_nobody_elses(void **state)
{
	struct world *world = *state;
	struct str user_id;
	const struct sso_identity elsewhere = {STR("club"), lin.subject};
	const struct sso_identity other_case = {lin.provider, STR("林-1 ")};
	world_add_account(world, STR("@lin:hs"));
	world_add_account(world, STR("@club:hs"));
	assert_int_equal(find(world, &lin, &user_id), ERR_MISSING);
	assert_int_equal(insert(world, &lin, STR("@lin:hs")), ERR_OK);
	assert_int_equal(find(world, &lin, &user_id), ERR_OK);
	assert_true(str_equals(user_id, STR("@lin:hs")));
	assert_int_equal(insert(world, &lin, STR("@club:hs")), ERR_CONFLICT);
	assert_int_equal(find(world, &lin, &user_id), ERR_OK);
	assert_true(str_equals(user_id, STR("@lin:hs")));
	assert_int_equal(find(world, &elsewhere, &user_id), ERR_MISSING);
	assert_int_equal(find(world, &other_case, &user_id), ERR_MISSING);
	assert_int_equal(insert(world, &elsewhere, STR("@club:hs")), ERR_OK);
	assert_int_equal(find(world, &elsewhere, &user_id), ERR_OK);
	assert_true(str_equals(user_id, STR("@club:hs")));
}

static void identity__its_transaction_fails__not_there(void **state)
{
	struct world *world = *state;
	struct str user_id;
	const struct sso_identity mei = {STR("school"), STR("mei")};
	struct tx *tx = NULL;
	world_add_account(world, STR("@mei:hs"));
	assert_int_equal(tx_begin(&world->ctx, world->db, &tx), ERR_OK);
	assert_int_equal(store_sso_identity_insert(&world->ctx, tx, &mei, STR("@mei:hs"), 5), ERR_OK);
	tx_cleanup(&tx);
	assert_int_equal(find(world, &mei, &user_id), ERR_MISSING);
	assert_int_equal(insert(world, &mei, STR("@mei:hs")), ERR_OK);
	world_kill_backends();
	db_destroy(world->db);
	world->db = world_connect(2);
	assert_int_equal(find(world, &mei, &user_id), ERR_OK);
}

enum { RIVALS = 6 };

struct rival {
	struct db *db;
	struct str user_id;
	enum err err;
};

static void *claim_identity(void *data)
{
	struct rival *rival = data;
	struct world world = {.db = rival->db};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	ctx_init(&world.ctx, arena);
	rival->err =
		insert(&world, &(struct sso_identity){STR("school"), STR("rivals")}, rival->user_id);
	return NULL;
}

static void identity__first_sign_in_many_times_at_once__one_account(void **state)
{
	struct world *world = *state;
	struct rival rivals[RIVALS];
	pthread_t threads[RIVALS];
	struct str winner = {0};
	struct str user_id;
	struct db *db = world_connect(RIVALS);
	size_t won = 0;
	for (size_t i = 0; i < RIVALS; i++) {
		rivals[i] =
			(struct rival){.db = db, .user_id = str_printf(world->ctx.arena, "@rival%zu:hs", i)};
		world_add_account(world, rivals[i].user_id);
	}
	for (size_t i = 0; i < RIVALS; i++) {
		threads[i] = thread_start("rival", claim_identity, &rivals[i]);
	}
	for (size_t i = 0; i < RIVALS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_true(rivals[i].err == ERR_OK || rivals[i].err == ERR_CONFLICT);
		if (rivals[i].err == ERR_OK) {
			winner = rivals[i].user_id;
			won++;
		}
	}
	db_destroy(db);
	assert_int_equal(won, 1);
	assert_int_equal(find(world, &(struct sso_identity){STR("school"), STR("rivals")}, &user_id),
		ERR_OK);
	assert_true(str_equals(user_id, winner));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity__inserted__found_and_nobody_elses),
		TEST(identity__its_transaction_fails__not_there),
		TEST(identity__first_sign_in_many_times_at_once__one_account),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
