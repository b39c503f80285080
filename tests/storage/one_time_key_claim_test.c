/*
 * One-time keys that are given out: each once, the oldest first, whoever else takes or brings some meanwhile.
 */
#include "tests/storage/one_time_keys.h"

static void claim__several_of_one_device__all_different_and_the_oldest(void **state)
{
	struct world *world = *state;
	struct str fay = user_of(world, "fay");
	struct str ids[KEYS_MOST];
	const struct key_entry fallback = text_entry(STR("fallback"), STR("\"fallback\""));
	const struct str algorithm = CURVE;
	const struct key_upload upload = {fay, PHONE, &algorithm, &fallback, 1};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(add(world, fay, (struct keys){CURVE, 'k', 3 * i, 3, "a"}), ERR_OK);
	}
	assert_int_equal(store_fallback_key_set(&world->ctx, world->db, &upload), ERR_OK);
	assert_int_equal(claim(world, fay, CURVE, 2, ids), 2);
	assert_int_equal(left(world, fay, CURVE), 10);
	assert_int_equal(claim(world, fay, CURVE, 7, ids), 7); /* of four batches */
	for (int i = 0; i < 7; i++) {
		assert_true(str_equals(ids[i], str_printf(world->ctx.arena, "k%03d", i + 2)));
	}
	assert_int_equal(claim(world, fay, CURVE, 5, ids), 5);
	ASSERT_ID(ids[2], "k011");
	assert_true(str_equals(ids[3], fallback.id) && str_equals(ids[4], fallback.id));
	assert_int_equal(left(world, fay, CURVE), 0);
}

/* More than lie in one row; each of them has its own content. */
static void claim__of_a_large_upload__every_key_once(void **state)
{
	struct world *world = *state;
	struct str gus = user_of(world, "gus");
	struct str ids[KEYS_MOST];
	assert_int_equal(add(world, gus, (struct keys){CURVE, 'k', 0, KEYS_MOST, "a"}), ERR_OK);
	assert_int_equal(add(world, gus, (struct keys){CURVE, 'k', 0, KEYS_MOST, "a"}), ERR_OK);
	assert_int_equal(left(world, gus, CURVE), KEYS_MOST);
	assert_int_equal(claim(world, gus, CURVE, KEYS_MOST, ids), KEYS_MOST);
	for (int i = 0; i < KEYS_MOST; i++) {
		assert_true(str_equals(ids[i], str_printf(world->ctx.arena, "k%03d", i)));
	}
	assert_int_equal(left(world, gus, CURVE), 0);
}

static void *take_one(void *data)
{
	struct uploader *taker = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const struct str users[] = {taker->user_id, taker->user_id};
	const struct str devices[] = {PHONE, PHONE};
	const struct str algorithms[] = {CURVE, OTHER};
	const struct key_claim wanted = {users, devices, algorithms, 2};
	struct claimed_key *keys;
	size_t n = 0;
	taker->err = store_one_time_key_claim(&ctx, taker->db, &wanted, &keys, &n);
	taker->keys[0].count = (int)n;
	atomic_store(&taker->is_done, true);
	return NULL;
}

/* Who is before takes the last key of the first batch: the one who waited has to have one of the next, and not none. */
static void claim__batch_spent_while_it_waited__gets_one_of_the_next(void **state)
{
	struct world *world = *state;
	struct str hal = user_of(world, "hal");
	struct db *db = world_connect(1);
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	struct uploader taker = {.db = db, .user_id = hal};
	assert_int_equal(add(world, hal, (struct keys){CURVE, 'k', 0, 1, "a"}), ERR_OK);
	assert_int_equal(add(world, hal, (struct keys){CURVE, 'k', 1, 1, "a"}), ERR_OK);
	assert_int_equal(add(world, hal, (struct keys){OTHER, 'o', 0, 2, "a"}), ERR_OK);
	PQclear(PQexec(conn, "BEGIN"));
	PQclear(PQexec(conn,
		"UPDATE one_time_key_counters SET given = given + 1 WHERE user_id = '@hal:hs'"));
	pthread_t thread = thread_start("taker", take_one, &taker);
	while (!is_waited_for(conn) && !atomic_load(&taker.is_done)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	PQclear(PQexec(conn, "COMMIT"));
	(void)pthread_join(thread, NULL);
	PQfinish(conn);
	assert_int_equal(taker.err, ERR_OK);
	assert_int_equal(taker.keys[0].count, 2);
	assert_int_equal(left(world, hal, CURVE) + left(world, hal, OTHER), 0);
	db_destroy(db);
}

/* What it waited for gave out the last key that it can see, and brought one that it cannot. */
static void claim__uploaded_while_it_waited__gets_that(void **state)
{
	struct world *world = *state;
	struct str meg = user_of(world, "meg");
	struct db *db = world_connect(1);
	struct uploader taker = {.db = db, .user_id = meg};
	assert_int_equal(add(world, meg, (struct keys){CURVE, 'k', 0, 1, "a"}), ERR_OK);
	PGconn *conn = upload_and_wait(world);
	pthread_t thread = thread_start("taker", take_one, &taker);
	commit_once_waited_for(conn, &taker.is_done);
	(void)pthread_join(thread, NULL);
	assert_int_equal(taker.err, ERR_OK);
	assert_int_equal(taker.keys[0].count, 1);
	assert_int_equal(left(world, meg, CURVE), 0);
	db_destroy(db);
}

/*
 * In a damaged database there is no batch where the counter has some left, behind what there is or before it. Who asks gets the fallback key, and who asks with the
 * same statement what is theirs.
 */
static void claim__of_keys_that_are_lost__ends_with_the_fallback_key(void **state)
{
	struct world *world = *state;
	struct str rob = user_of(world, "rob");
	struct str sue = user_of(world, "sue");
	struct str ids[3];
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(add(world, rob, (struct keys){CURVE, 'k', 3 * i, 3, "a"}), ERR_OK);
		assert_int_equal(add(world, sue, (struct keys){CURVE, 'k', 3 * i, 3, "a"}), ERR_OK);
	}
	const struct str algorithm = CURVE;
	const struct key_entry key = text_entry(STR("f000"), STR("\"af000\""));
	const struct key_upload fallback = {rob, PHONE, &algorithm, &key, 1};
	assert_int_equal(store_fallback_key_set(&world->ctx, world->db, &fallback), ERR_OK);
	run_sql(conn,
		"DELETE FROM one_time_key_batches b USING one_time_key_counters c"
		" WHERE c.user_id = '@rob:hs' AND b.counter_nid = c.counter_nid AND b.seq = 3");
	assert_int_equal(claim(world, rob, CURVE, 3, ids), 3);
	ASSERT_ID(ids[2], "k002");
	ASSERT_ID(claim_one(world, rob, CURVE), "f000");
	const struct str users[] = {sue, rob, sue};
	const struct str devices[] = {PHONE, PHONE, PHONE};
	const struct str algorithms[] = {CURVE, CURVE, CURVE};
	const struct key_claim wanted = {users, devices, algorithms, 3};
	struct claimed_key *keys;
	size_t n;
	assert_int_equal(store_one_time_key_claim(&world->ctx, world->db, &wanted, &keys, &n), ERR_OK);
	assert_int_equal(n, 3);
	run_sql(conn,
		"DELETE FROM one_time_key_batches b USING one_time_key_counters c"
		" WHERE c.user_id = '@rob:hs' AND b.counter_nid = c.counter_nid");
	ASSERT_ID(claim_one(world, rob, CURVE), "f000");
	run_sql(conn, "DELETE FROM one_time_key_counters WHERE user_id = '@rob:hs'");
	PQfinish(conn);
}

/* Claims that go on until nothing is left. */
struct claimer {
	struct db *db;
	struct str user_id;
	struct arena *arena;
	struct claimed_key taken[KEYS_MOST];
	size_t n;
	enum err err;
};

static void *take_all(void *data)
{
	struct claimer *claimer = data;
	struct ctx ctx;
	ctx_init(&ctx, claimer->arena);
	const struct str users[] = {claimer->user_id, claimer->user_id, claimer->user_id};
	const struct str devices[] = {PHONE, PHONE, PHONE};
	const struct str algorithms[] = {CURVE, CURVE, CURVE};
	const struct key_claim wanted = {users, devices, algorithms, COUNT_OF(users)};
	struct claimed_key *keys;
	size_t n;
	do {
		claimer->err = store_one_time_key_claim(&ctx, claimer->db, &wanted, &keys, &n);
		for (size_t i = 0; claimer->err == ERR_OK && i < n; i++) {
			claimer->taken[claimer->n++] = keys[i];
		}
	} while (claimer->err == ERR_OK && n > 0);
	return NULL;
}

/* The n-th of some forms: as clients send them, the same with another member or character, texts of any length. */
static struct str key_of_form(struct arena *arena, struct str user_id, int n)
{
	char key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	char signature[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
					   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	key[n % 40] = (char)('A' + n % 26);
	signature[n % 80] = (char)('a' + n % 26);
	switch (n % 5) {
	case 0:
		signature[sizeof(signature) - 2] = 'B'; /* the same bytes, written otherwise */
		break;
	case 1:
		return str_printf(arena, "\"%0*d\"", n % 3 == 0 ? 9000 : 3 * n, n);
	case 2:
		return str_printf(arena, "{\"fallback\":true,\"key\":\"%s\",\"n\":%d,\"signatures\":{}}",
			key, n);
	default:
		break;
	}
	return str_printf(arena,
		"{\"key\":\"%s\",\"signatures\":{\"%.*s\":{\"ed25519:PHONE\":\"%s\"}}}", key,
		STR_ARG(user_id), signature);
}

static void claim__keys_of_many_forms_by_many_at_once__each_once_and_as_it_was(void **state)
{
	enum { KEYS = 230, CLAIMERS = 4 };
	struct world *world = *state;
	struct arena *arena = world->ctx.arena;
	struct str lea = user_of(world, "lea");
	struct db *db = world_connect(CLAIMERS);
	struct str algorithms[KEYS];
	struct str ids[KEYS];
	struct str texts[KEYS];
	struct key_entry entries[KEYS];
	struct key_frame frame = key_frame_of(arena, lea, PHONE);
	bool is_taken[KEYS] = {false};
	struct claimer *claimers = ARENA_NEW_ARRAY(arena, struct claimer, CLAIMERS);
	pthread_t threads[CLAIMERS];
	for (int i = 0; i < KEYS; i++) {
		algorithms[i] = CURVE;
		ids[i] = str_printf(arena, "%0*d", 3 + i % 7 * 40, i);
		texts[i] = key_of_form(arena, lea, i);
		entries[i] = key_entry_of(arena, &frame, ids[i], texts[i]);
	}
	struct key_addition addition = {.held_max = REMEMBERED,
		.remembered = REMEMBERED,
		.upload = {lea, PHONE, algorithms, entries, KEYS}};
	struct keys_added added;
	for (int i = 0; i < 2; i++) { /* the same again adds nothing */
		assert_int_equal(store_one_time_key_add(&world->ctx, world->db, &addition, &added), ERR_OK);
		assert_int_equal(added.outcome, KEYS_ADDED);
		assert_left(&added, 0, CURVE, KEYS);
	}
	for (int i = 0; i < KEYS; i += 13) { /* another content of whatever form */
		struct key_addition other = addition;
		struct key_entry entry =
			key_entry_of(arena, &frame, ids[i], key_of_form(arena, lea, i + 1));
		other.upload = (struct key_upload){lea, PHONE, algorithms, &entry, 1};
		assert_int_equal(store_one_time_key_add(&world->ctx, world->db, &other, &added), ERR_INPUT);
	}
	for (int i = 0; i < CLAIMERS; i++) {
		claimers[i] = (struct claimer){.db = db, .user_id = lea, .arena = arena_create()};
		threads[i] = thread_start("claimer", take_all, &claimers[i]);
	}
	size_t all = 0;
	for (int i = 0; i < CLAIMERS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_int_equal(claimers[i].err, ERR_OK);
		for (size_t k = 0; k < claimers[i].n; k++, all++) {
			int64_t n = 0;
			struct str id = claimers[i].taken[k].key_id;
			assert_true(str_to_int(str_slice(id, id.n - 1, id.n), 0, 9, &n) && id.n >= 3);
			n = (id.p[id.n - 3] - '0') * 100 + (id.p[id.n - 2] - '0') * 10 + n;
			assert_true(n < KEYS && !is_taken[n] && str_equals(id, ids[n]));
			assert_true(str_equals(claimers[i].taken[k].key, texts[n]));
			is_taken[n] = true;
		}
		arena_destroy(claimers[i].arena);
	}
	assert_int_equal(all, KEYS);
	db_destroy(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEY_TEST(claim__several_of_one_device__all_different_and_the_oldest),
		KEY_TEST(claim__of_a_large_upload__every_key_once),
		KEY_TEST(claim__batch_spent_while_it_waited__gets_one_of_the_next),
		KEY_TEST(claim__uploaded_while_it_waited__gets_that),
		KEY_TEST(claim__of_keys_that_are_lost__ends_with_the_fallback_key),
		KEY_TEST(claim__keys_of_many_forms_by_many_at_once__each_once_and_as_it_was),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
