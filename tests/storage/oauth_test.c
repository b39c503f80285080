/*
 * The OAuth 2.0 API on a real PostgreSQL: what is kept and what goes, and that what somebody allowed is used up once.
 */
#include "storage/oauth.h"

#include "base/lock.h"
#include "storage/device.h"
#include "storage/secret.h"
#include "storage/token.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <stdatomic.h>

enum { NOW_MS = 1000, RIVALS = 6, DAY_MS = 24 * 60 * 60 * 1000 };

static const struct str device = STR_INIT("D");

static struct str client_of(struct world *world, const char *name, int64_t used_ms)
{
	struct str id = str_of(name);
	assert_int_equal(
		store_oauth_client_register(&world->ctx, world->db, id, STR("{}"), used_ms, used_ms),
		ERR_OK);
	return id;
}

static struct oauth_session_row session_of(struct str user_id, struct str device_id,
	struct str client_id, struct str family_hash)
{
	return (struct oauth_session_row){
		.user_id = user_id,
		.device_id = device_id,
		.client_id = client_id,
		.family_hash = family_hash,
		.scope = STR("scope"),
	};
}

static struct str user_with_session(struct world *world, const char *name, struct str client_id)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, STR("D"));
	const struct oauth_session_row row = session_of(user_id, STR("D"), client_id, user_id);
	assert_int_equal(IN_TX(world, store_oauth_session_insert(&world->ctx, tx, &row)), ERR_OK);
	return user_id;
}

static enum err find_family(struct world *world, struct str family_hash)
{
	struct oauth_session_row row;
	return store_oauth_session_by_family(&world->ctx, world->db, family_hash, &row);
}

static enum err find_client(struct world *world, struct str id)
{
	struct str metadata;
	return store_oauth_client_find(&world->ctx, world->db, id, &metadata);
}

/* --- clients ------------------------------------------------------------------------------------------------- */

static enum err register_again(struct world *world, struct str id, int64_t used_ms,
	int64_t stale_ms)
{
	return store_oauth_client_register(&world->ctx, world->db, id, STR("{}"), used_ms, stale_ms);
}

static void client__registered_again__kept_longer_if_that_was_long_ago(void **state)
{
	struct world *world = *state;
	struct str recent = client_of(world, "again", 100);
	struct str old = client_of(world, "again after long", 100);
	assert_int_equal(register_again(world, recent, 300, 100), ERR_OK);
	assert_int_equal(register_again(world, old, 300, 101), ERR_OK);
	assert_int_equal(store_oauth_client_delete_old(&world->ctx, world->db, 300), ERR_OK);
	assert_int_equal(find_client(world, recent), ERR_MISSING);
	assert_int_equal(find_client(world, old), ERR_OK);
}

/* A device that came by it and has ended again. */
static void log_in_and_out(struct world *world, const char *name, struct str client_id,
	int64_t now_ms)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, device);
	struct oauth_session_row row = session_of(user_id, device, client_id, user_id);
	row.now_ms = now_ms;
	assert_int_equal(IN_TX(world, store_oauth_session_insert(&world->ctx, tx, &row)), ERR_OK);
	assert_int_equal(store_device_delete(&world->ctx, world->db, user_id, &device, 1), ERR_OK);
}

static void client__somebody_logs_in__used_which_is_noted_once_a_day(void **state)
{
	struct world *world = *state;
	struct str id = client_of(world, "in use", 100);
	log_in_and_out(world, "in_use_1", id, 100 + DAY_MS);
	log_in_and_out(world, "in_use_2", id, 101 + DAY_MS);
	log_in_and_out(world, "in_use_3", id, 102 + DAY_MS);
	assert_int_equal(store_oauth_client_delete_old(&world->ctx, world->db, 101 + DAY_MS), ERR_OK);
	assert_int_equal(find_client(world, id), ERR_OK);
	assert_int_equal(store_oauth_client_delete_old(&world->ctx, world->db, 102 + DAY_MS), ERR_OK);
	assert_int_equal(find_client(world, id), ERR_MISSING);
}

static void client__long_unused__goes_without_a_session_only(void **state)
{
	struct world *world = *state;
	struct str unused = client_of(world, "unused", 10);
	struct str with_session = client_of(world, "with session", 10);
	struct str with_link = client_of(world, "with link", 10);
	struct str recent = client_of(world, "recent", 500);
	struct str ann = user_with_session(world, "ann", with_session);
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db,
						 &(struct oauth_device_grant_row){.device_code_hash = STR("kept"),
							 .user_code = STR("BCDFBCDF"),
							 .client_id = with_link,
							 .scope = STR("scope"),
							 .expires_at_ms = 20}),
		ERR_OK);
	assert_int_equal(store_oauth_client_delete_old(&world->ctx, world->db, 100), ERR_OK);
	assert_int_equal(find_client(world, unused), ERR_MISSING);
	assert_int_equal(find_client(world, with_session), ERR_OK);
	assert_int_equal(find_client(world, with_link), ERR_OK);
	assert_int_equal(find_client(world, recent), ERR_OK);
	assert_int_equal(store_device_delete(&world->ctx, world->db, ann, &device, 1), ERR_OK);
	assert_int_equal(store_oauth_device_grant_delete_old(&world->ctx, world->db, 30), ERR_OK);
	assert_int_equal(store_oauth_client_delete_old(&world->ctx, world->db, 100), ERR_OK);
	assert_int_equal(find_client(world, with_session), ERR_MISSING);
	assert_int_equal(find_client(world, with_link), ERR_MISSING);
}

/* --- devices -------------------------------------------------------------------------------------------------- */

static void session__device_ends_or_logs_in_anew__gone(void **state)
{
	struct world *world = *state;
	struct oauth_session_row row;
	struct str client = client_of(world, "devices", 10);
	struct str bea = user_with_session(world, "bea", client);
	struct str cyd = user_with_session(world, "cyd", client);
	assert_int_equal(store_oauth_session_find(&world->ctx, world->db, bea, STR("D"), &row), ERR_OK);
	assert_true(str_equals(row.client_id, client));
	assert_int_equal(find_family(world, bea), ERR_OK);
	assert_int_equal(store_device_delete(&world->ctx, world->db, bea, &device, 1), ERR_OK);
	assert_int_equal(find_family(world, bea), ERR_MISSING);
	assert_int_equal(IN_TX(world, store_token_delete_device(&world->ctx, tx, cyd, STR("D"))),
		ERR_OK);
	assert_int_equal(find_family(world, cyd), ERR_MISSING);
	assert_int_equal(store_oauth_session_find(&world->ctx, world->db, cyd, STR("D"), &row),
		ERR_MISSING);
}

/* --- what was allowed ------------------------------------------------------------------------------------------- */

static void add_code(struct world *world, struct str user_id, struct str hash, int64_t ends_ms)
{
	assert_int_equal(store_secret_insert(&world->ctx, world->db,
						 &(struct secret_row){.kind = SECRET_OAUTH_CODE,
							 .hash = hash,
							 .user_id = user_id,
							 .expires_at_ms = ends_ms}),
		ERR_OK);
}

static enum err spend(struct world *world, struct str user_id, struct str hash)
{
	return IN_TX(world, store_oauth_consent_spend(&world->ctx, tx, user_id, hash, NOW_MS));
}

static void code__spent__once_and_remembered(void **state)
{
	struct world *world = *state;
	struct secret_row row;
	struct str dan = STR("@dan:hs");
	add_code(world, dan, STR("code"), NOW_MS + 1);
	add_code(world, dan, STR("ended"), NOW_MS);
	assert_int_equal(spend(world, STR("@eve:hs"), STR("code")), ERR_MISSING);
	assert_int_equal(spend(world, dan, STR("ended")), ERR_MISSING);
	assert_int_equal(spend(world, dan, STR("code")), ERR_OK);
	assert_int_equal(spend(world, dan, STR("code")), ERR_MISSING);
	assert_int_equal(
		store_secret_find(&world->ctx, world->db, SECRET_OAUTH_CODE, STR("code"), NOW_MS, &row),
		ERR_MISSING);
	assert_int_equal(
		store_secret_find(&world->ctx, world->db, SECRET_OAUTH_USED, STR("code"), NOW_MS, &row),
		ERR_OK);
	assert_true(str_equals(row.user_id, dan));
}

static struct oauth_device_grant_row link_of(struct str hash, struct str user_code)
{
	return (struct oauth_device_grant_row){
		.device_code_hash = hash,
		.user_code = user_code,
		.client_id = STR("client"),
		.scope = STR("scope"),
		.expires_at_ms = NOW_MS + 10,
	};
}

static enum err decide(struct world *world, struct str user_code, struct str user_id,
	enum oauth_device_state decision)
{
	return IN_TX(world,
		store_oauth_device_grant_decide(&world->ctx, tx, user_code, user_id, decision, NOW_MS));
}

static void link__answered__once_and_spent_once(void **state)
{
	struct world *world = *state;
	struct oauth_device_grant_row row = link_of(STR("link"), STR("CCCCDDDD"));
	struct str fay = STR("@fay:hs");
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &row), ERR_OK);
	row.device_code_hash = STR("other");
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &row), ERR_CONFLICT);
	assert_int_equal(spend(world, fay, STR("link")), ERR_MISSING);
	assert_int_equal(store_oauth_device_grant_poll(&world->ctx, world->db, STR("link"), 7, &row),
		ERR_OK);
	assert_true(
		row.state == OAUTH_DEVICE_PENDING && row.polled_at_ms == 0 && row.user_id.p == NULL);
	assert_int_equal(decide(world, STR("CCCCDDDD"), fay, OAUTH_DEVICE_APPROVED), ERR_OK);
	assert_int_equal(decide(world, STR("CCCCDDDD"), fay, OAUTH_DEVICE_DENIED), ERR_MISSING);
	assert_int_equal(
		store_oauth_device_grant_find(&world->ctx, world->db, STR("CCCCDDDD"), NOW_MS, &row),
		ERR_MISSING);
	assert_int_equal(store_oauth_device_grant_poll(&world->ctx, world->db, STR("link"), 9, &row),
		ERR_OK);
	assert_true(row.state == OAUTH_DEVICE_APPROVED && row.polled_at_ms == 7);
	assert_int_equal(spend(world, STR("@eve:hs"), STR("link")), ERR_MISSING);
	assert_int_equal(spend(world, fay, STR("link")), ERR_OK);
	assert_int_equal(spend(world, fay, STR("link")), ERR_MISSING);
}

static void link__ended__nobody_answers_it(void **state)
{
	struct world *world = *state;
	struct oauth_device_grant_row row = link_of(STR("late"), STR("FFFFGGGG"));
	row.expires_at_ms = NOW_MS;
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &row), ERR_OK);
	assert_int_equal(
		store_oauth_device_grant_find(&world->ctx, world->db, STR("FFFFGGGG"), NOW_MS, &row),
		ERR_MISSING);
	assert_int_equal(decide(world, STR("FFFFGGGG"), STR("@fay:hs"), OAUTH_DEVICE_APPROVED),
		ERR_MISSING);
}

static void link__denied_or_answered_and_ended__spent_by_nobody(void **state)
{
	struct world *world = *state;
	struct oauth_device_grant_row row = link_of(STR("denied"), STR("JJJJKKKK"));
	struct oauth_device_grant_row late = link_of(STR("too late"), STR("KKKKLLLL"));
	struct str fay = STR("@fay:hs");
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &late), ERR_OK);
	assert_int_equal(decide(world, STR("KKKKLLLL"), fay, OAUTH_DEVICE_APPROVED), ERR_OK);
	assert_int_equal(
		IN_TX(world,
			store_oauth_consent_spend(&world->ctx, tx, fay, STR("too late"), late.expires_at_ms)),
		ERR_MISSING);
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &row), ERR_OK);
	assert_int_equal(decide(world, STR("JJJJKKKK"), fay, OAUTH_DEVICE_DENIED), ERR_OK);
	assert_int_equal(spend(world, fay, STR("denied")), ERR_MISSING);
}

static void link__all_secrets_of_its_user_end__gone(void **state)
{
	struct world *world = *state;
	struct oauth_device_grant_row row = link_of(STR("gil"), STR("HHHHJJJJ"));
	struct str gil = STR("@gil:hs");
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &row), ERR_OK);
	assert_int_equal(decide(world, STR("HHHHJJJJ"), gil, OAUTH_DEVICE_APPROVED), ERR_OK);
	add_code(world, gil, STR("gil's code"), NOW_MS + 1);
	assert_int_equal(IN_TX(world, store_secret_delete_user(&world->ctx, tx, gil)), ERR_OK);
	assert_int_equal(spend(world, gil, STR("gil")), ERR_MISSING);
	assert_int_equal(spend(world, gil, STR("gil's code")), ERR_MISSING);
}

struct rival {
	struct db *db;
	enum err err;
};

static void *spend_too(void *data)
{
	struct rival *rival = data;
	struct world world = {.db = rival->db};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	ctx_init(&world.ctx, arena);
	rival->err = spend(&world, STR("@hal:hs"), STR("wanted"));
	return NULL;
}

static void code__spent_by_many_at_once__by_one(void **state)
{
	struct world *world = *state;
	struct rival rivals[RIVALS];
	pthread_t threads[RIVALS];
	struct db *db = world_connect(RIVALS);
	size_t won = 0;
	add_code(world, STR("@hal:hs"), STR("wanted"), NOW_MS + 1);
	for (size_t i = 0; i < RIVALS; i++) {
		rivals[i] = (struct rival){.db = db};
		threads[i] = thread_start("rival", spend_too, &rivals[i]);
	}
	for (size_t i = 0; i < RIVALS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_true(rivals[i].err == ERR_OK || rivals[i].err == ERR_MISSING);
		won += rivals[i].err == ERR_OK;
	}
	assert_int_equal(won, 1);
	db_destroy(db);
}

/* --- devices that ask ------------------------------------------------------------------------------------------ */

struct poll {
	struct db *db;
	struct oauth_device_grant_row row;
	enum err err;
	_Atomic bool is_done;
};

static void *ask(void *data)
{
	struct poll *poll = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	poll->err =
		store_oauth_device_grant_poll(&ctx, poll->db, STR("polled"), NOW_MS + 2, &poll->row);
	atomic_store(&poll->is_done, true);
	return NULL;
}

static bool has_rows(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	bool has = PQntuples(result) > 0;
	PQclear(result);
	return has;
}

/* A device that asks while it is answered already has asked too soon. */
static void grant__asked_for_twice_at_once__the_second_sees_the_first(void **state)
{
	struct world *world = *state;
	struct poll poll = {.db = world->db};
	const struct oauth_device_grant_row row = {.device_code_hash = STR("polled"),
		.user_code = STR("POLLED"),
		.client_id = client_of(world, "polling", NOW_MS),
		.scope = STR("scope"),
		.state = OAUTH_DEVICE_PENDING,
		.expires_at_ms = NOW_MS + DAY_MS};
	assert_int_equal(store_oauth_device_grant_insert(&world->ctx, world->db, &row), ERR_OK);
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	(void)has_rows(conn, "BEGIN");
	(void)has_rows(conn,
		"UPDATE oauth_device_grants SET polled_at_ms = 1001 WHERE device_code_hash = 'polled'");
	pthread_t thread = thread_start("ask", ask, &poll);
	const char *waits = str_cstr(world->ctx.arena,
		str_printf(world->ctx.arena,
			"SELECT 1 FROM pg_locks WHERE NOT granted AND %d = ANY(pg_blocking_pids(pid))",
			PQbackendPID(conn)));
	while (!has_rows(conn, waits) && !atomic_load(&poll.is_done)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	(void)has_rows(conn, "COMMIT");
	PQfinish(conn);
	(void)pthread_join(thread, NULL);
	assert_int_equal(poll.err, ERR_OK);
	assert_int_equal(poll.row.polled_at_ms, NOW_MS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client__registered_again__kept_longer_if_that_was_long_ago),
		TEST(client__somebody_logs_in__used_which_is_noted_once_a_day),
		TEST(client__long_unused__goes_without_a_session_only),
		TEST(session__device_ends_or_logs_in_anew__gone),
		TEST(code__spent__once_and_remembered),
		TEST(link__answered__once_and_spent_once),
		TEST(link__ended__nobody_answers_it),
		TEST(link__denied_or_answered_and_ended__spent_by_nobody),
		TEST(link__all_secrets_of_its_user_end__gone),
		TEST(code__spent_by_many_at_once__by_one),
		TEST(grant__asked_for_twice_at_once__the_second_sees_the_first),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
