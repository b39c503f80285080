/*
 * One-time keys that are uploaded: in batches, each key once, none more than may be held.
 */
#include "tests/storage/one_time_keys.h"

#include "base/b64.h"
#include "storage/pg.h"

enum { UPLOADERS = 6 };

static void upload__part_of_it_known__the_rest_is_added(void **state)
{
	struct world *world = *state;
	struct str ann = user_of(world, "ann");
	assert_int_equal(add(world, ann, (struct keys){CURVE, 'k', 10, 5, "a"}), ERR_OK);
	ASSERT_ID(claim_one(world, ann, CURVE), "k010");
	/* Around, between and beyond what is known, given out or not. */
	assert_int_equal(add(world, ann, (struct keys){CURVE, 'k', 8, 9, "a"}), ERR_OK);
	assert_int_equal(left(world, ann, CURVE), 8);
	const char *const order[] = {"k011", "k012", "k013", "k014", "k008", "k009", "k015", "k016"};
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		assert_true(str_equals(claim_one(world, ann, CURVE), str_of(order[i])));
	}
	assert_true(claim_one(world, ann, CURVE).p == NULL);
}

/* As clients call them: by a counter of so many bytes, the greatest first, in Base64. */
static void add_counted(struct world *world, struct str user_id, size_t bytes, int first, int count)
{
	struct arena *arena = world->ctx.arena;
	struct str algorithms[KEYS_MOST];
	struct key_entry entries[KEYS_MOST];
	for (int i = 0; i < count; i++) {
		char counter[8] = {0};
		counter[bytes - 1] = (char)((first + i) & 0xFF);
		counter[bytes - 2] = (char)((first + i) >> 8);
		algorithms[i] = CURVE;
		entries[i] = text_entry(b64_encode(arena, str_from(counter, bytes)),
			str_printf(arena, "\"%d\"", first + i));
	}
	struct key_addition addition = {.held_max = REMEMBERED,
		.remembered = REMEMBERED,
		.upload = {user_id, PHONE, algorithms, entries, (size_t)count}};
	struct keys_added added;
	assert_int_equal(store_one_time_key_add(&world->ctx, world->db, &addition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_ADDED);
}

/* No batch seems to hold an id of another, which would have to be compared with it in a round trip of its own. */
static void upload__ids_that_count_in_base64__none_lies_among_those_of_another(void **state)
{
	enum { UPLOADS = 12, STEP = 33 };
	const char *names[] = {"libolm", "vodozemac"};
	const size_t bytes[] = {4, 8};
	struct world *world = *state;
	for (size_t k = 0; k < COUNT_OF(names); k++) {
		struct str user_id = user_of(world, names[k]);
		for (int i = 0; i < UPLOADS; i++) {
			add_counted(world, user_id, bytes[k], i * STEP, STEP);
		}
		assert_int_equal(left(world, user_id, CURVE), UPLOADS * STEP);
	}
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	PGresult *result = PQexec(conn,
		"SELECT 1 FROM one_time_key_batches a JOIN one_time_key_batches b USING (counter_nid) JOIN one_time_key_counters USING (counter_nid) "
		"WHERE user_id IN ('@libolm:hs', '@vodozemac:hs') AND b.seq > a.seq AND b.first_rank <= a.last_rank");
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	assert_int_equal(PQntuples(result), 0);
	PQclear(result);
	PQfinish(conn);
}

static void upload__known_with_another_content__refused_wherever_it_lies(void **state)
{
	struct world *world = *state;
	struct str bob = user_of(world, "bob");
	for (int i = 0; i < 5; i++) { /* ids go down from batch to batch */
		assert_int_equal(add(world, bob, (struct keys){CURVE, 'k', 50 - 10 * i, 10, "a"}), ERR_OK);
	}
	assert_int_equal(claim(world, bob, CURVE, 15, (struct str[15]){{0}}), 15);
	for (int i = 10; i < 60; i += 7) {
		const struct keys keys[] = {{CURVE, 'a', i, 1, "a"}, {CURVE, 'k', i, 1, "b"},
			{CURVE, 'z', i, 1, "a"}};
		assert_int_equal(add_by(&world->ctx, world->db, bob, keys, 3, REMEMBERED), ERR_INPUT);
	}
	assert_int_equal(left(world, bob, CURVE), 35);
	/* The same name of another algorithm is another key. */
	assert_int_equal(add(world, bob, (struct keys){OTHER, 'k', 10, 2, "b"}), ERR_OK);
	assert_int_equal(left(world, bob, OTHER), 2);
}

static void upload__of_several_kinds__all_that_is_left_is_told(void **state)
{
	struct world *world = *state;
	struct str ian = user_of(world, "ian");
	const struct key_addition condition = {.held_max = 200, .remembered = REMEMBERED};
	const struct keys both[] = {{CURVE, 'k', 0, 120, "a"}, {OTHER, 'k', 0, 3, "a"}};
	const struct keys again[] = {{CURVE, 'k', 118, 4, "a"}, {STR("third"), 'k', 0, 1, "a"}};
	struct keys_added added;
	assert_int_equal(add_if(&world->ctx, world->db, ian, both, 2, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_ADDED);
	assert_int_equal(added.left_n, 2);
	assert_left(&added, 0, OTHER, 3);
	assert_left(&added, 1, CURVE, 120);
	assert_true(claim_one(world, ian, CURVE).p != NULL);
	assert_int_equal(add_if(&world->ctx, world->db, ian, again, 2, &condition, &added), ERR_OK);
	assert_int_equal(added.left_n, 3);
	assert_left(&added, 1, CURVE, 121);
	assert_left(&added, 2, STR("third"), 1);
	/* Nothing of it is new. */
	assert_int_equal(add_if(&world->ctx, world->db, ian, &again[0], 1, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_ADDED);
	assert_left(&added, 1, CURVE, 121);
}

static void upload__of_more_than_may_be_held__none_is_added(void **state)
{
	struct world *world = *state;
	struct str joe = user_of(world, "joe");
	const struct key_addition condition = {.held_max = 250, .remembered = REMEMBERED};
	const struct keys most = {CURVE, 'k', 0, 240, "a"};
	const struct keys too_many[] = {{OTHER, 'k', 0, 9, "a"}, {CURVE, 'l', 0, 2, "a"}};
	struct keys_added added;
	assert_int_equal(add_if(&world->ctx, world->db, joe, &most, 1, &condition, &added), ERR_OK);
	assert_int_equal(add_if(&world->ctx, world->db, joe, too_many, 2, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_TOO_MANY);
	assert_left(&added, 0, CURVE, 240);
	assert_int_equal(left(world, joe, OTHER), 0);
	assert_true(claim_one(world, joe, CURVE).p != NULL);
	assert_int_equal(add_if(&world->ctx, world->db, joe, too_many, 2, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_ADDED);
	assert_int_equal(left(world, joe, OTHER) + left(world, joe, CURVE), 250);
}

/* What was checked with another key than the device has now is not added. */
static void upload__for_another_identity__none_is_added(void **state)
{
	struct world *world = *state;
	struct str kay = user_of(world, "kay");
	const struct keys keys = {CURVE, 'k', 0, 2, "a"};
	struct key_addition condition = {.held_max = 250,
		.remembered = REMEMBERED,
		.ed25519 = STR("old")};
	struct keys_added added;
	assert_int_equal(add_if(&world->ctx, world->db, kay, &keys, 1, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_OTHER_IDENTITY); /* it has none */
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	run_sql(conn, "INSERT INTO device_keys VALUES ('@kay:hs', 'PHONE', 'new', '{}')");
	PQfinish(conn);
	assert_int_equal(add_if(&world->ctx, world->db, kay, &keys, 1, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_OTHER_IDENTITY);
	condition.ed25519 = str_from(NULL, 0);
	assert_int_equal(add_if(&world->ctx, world->db, kay, &keys, 1, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_OTHER_IDENTITY);
	assert_int_equal(left(world, kay, CURVE), 0);
	condition.ed25519 = STR("new");
	assert_int_equal(add_if(&world->ctx, world->db, kay, &keys, 1, &condition, &added), ERR_OK);
	assert_int_equal(added.outcome, KEYS_ADDED);
	assert_int_equal(left(world, kay, CURVE), 2);
}

/* A check that counts how often it is made. */
struct counted_check {
	enum err answer;
	int calls;
};

static enum err count_check(struct ctx *ctx, void *self)
{
	struct counted_check *counted = self;
	(void)ctx;
	counted->calls++;
	return counted->answer;
}

static void upload__checked_meanwhile__added_when_it_is_good_and_else_nothing_is(void **state)
{
	struct world *world = *state;
	struct str kim = user_of(world, "kim");
	struct counted_check counted = {.answer = ERR_DENIED};
	const struct db_check check = {count_check, &counted};
	const struct key_addition condition = {.check = &check,
		.held_max = REMEMBERED,
		.remembered = REMEMBERED};
	const struct keys many = {CURVE, 'A', 0, 250, ""};
	struct keys_added added;
	assert_int_equal(add_if(&world->ctx, world->db, kim, &many, 1, &condition, &added), ERR_DENIED);
	assert_int_equal(counted.calls, 1);
	assert_int_equal(left(world, kim, CURVE), 0);
	counted.answer = ERR_OK;
	assert_int_equal(add_if(&world->ctx, world->db, kim, &many, 1, &condition, &added), ERR_OK);
	assert_int_equal(counted.calls, 2); /* not again for each hundred */
	assert_int_equal(added.outcome, KEYS_ADDED);
	assert_int_equal(left(world, kim, CURVE), 250);
}

/* And the connection, with all that is prepared on it, is there for the next. */
static void upload__found_bad_meanwhile__leaves_the_connection_as_it_was(void **state)
{
	struct world *world = *state;
	struct str ron = user_of(world, "ron");
	struct db *db = world_connect(1);
	struct counted_check counted = {.answer = ERR_OK};
	const struct db_check check = {count_check, &counted};
	const struct key_addition condition = {.check = &check,
		.held_max = REMEMBERED,
		.remembered = REMEMBERED};
	int64_t before;
	int64_t after;
	struct keys_added added;
	assert_int_equal(add(world, ron, (struct keys){CURVE, 'k', 0, 3, "a"}), ERR_OK);
	assert_int_equal(db_connection(&world->ctx, db, &before), ERR_OK);
	for (int i = 1; i < 10; i++) {
		const struct keys three = {CURVE, 'k', 3 * i, 3, "a"};
		counted.answer = i % 3 == 0 ? ERR_OK : ERR_DENIED;
		assert_int_equal(add_if(&world->ctx, db, ron, &three, 1, &condition, &added),
			counted.answer);
	}
	assert_int_equal(db_connection(&world->ctx, db, &after), ERR_OK);
	assert_int_equal(before, after);
	assert_int_equal(left(world, ron, CURVE), 12);
	db_destroy(db);
}

static void upload__of_a_device_that_is_gone__conflict(void **state)
{
	struct world *world = *state;
	struct str cas = user_of(world, "cas");
	struct str phone = PHONE;
	assert_int_equal(add(world, cas, (struct keys){CURVE, 'k', 0, 3, "a"}), ERR_OK);
	assert_int_equal(store_device_delete(&world->ctx, world->db, cas, &phone, 1), ERR_OK);
	assert_int_equal(left(world, cas, CURVE), 0);
	assert_int_equal(add(world, cas, (struct keys){CURVE, 'k', 0, 3, "a"}), ERR_MISSING);
	world_add_device(world, cas, phone);
	assert_true(claim_one(world, cas, CURVE).p == NULL);
}

static void upload__more_than_are_remembered__the_oldest_that_were_given_are_forgotten(void **state)
{
	struct world *world = *state;
	struct str dan = user_of(world, "dan");
	for (int i = 0; i < 10; i++) {
		const struct keys keys = {CURVE, 'k', i, 1, "a"};
		assert_int_equal(add_by(&world->ctx, world->db, dan, &keys, 1, 4), ERR_OK);
		assert_true(claim_one(world, dan, CURVE).p != NULL);
	}
	const struct keys kept = {CURVE, 'k', 6, 4, "b"};
	const struct keys forgotten = {CURVE, 'k', 0, 1, "b"};
	assert_int_equal(add_by(&world->ctx, world->db, dan, &kept, 1, 4), ERR_INPUT);
	assert_int_equal(add_by(&world->ctx, world->db, dan, &forgotten, 1, 4), ERR_OK);
}

static void *upload_in_turn(void *data)
{
	struct uploader *uploader = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	uploader->err = add_by(&ctx, uploader->db, uploader->user_id, uploader->keys, 2, REMEMBERED);
	return NULL;
}

/* All bring the same keys, as tries of one upload do, and some of their own. */
static void upload__many_of_one_device_at_once__each_key_once(void **state)
{
	struct world *world = *state;
	struct db *db = world_connect(UPLOADERS);
	for (int round = 0; round < 10; round++) {
		struct uploader uploaders[UPLOADERS];
		pthread_t threads[UPLOADERS];
		struct str user_id = user_of(world, arena_printf(world->ctx.arena, "eve%d", round));
		for (int i = 0; i < UPLOADERS; i++) {
			uploaders[i] = (struct uploader){
				.db = db,
				.user_id = user_id,
				.keys = {{CURVE, 'k', 0, 20, "a"},
					{i % 2 == 0 ? OTHER : CURVE, (char)('l' + i), 0, 5, "a"}},
			};
			threads[i] = thread_start("uploader", upload_in_turn, &uploaders[i]);
		}
		for (int i = 0; i < UPLOADERS; i++) {
			(void)pthread_join(threads[i], NULL);
			assert_int_equal(uploaders[i].err, ERR_OK);
		}
		assert_int_equal(left(world, user_id, CURVE), 20 + 5 * UPLOADERS / 2);
		assert_int_equal(left(world, user_id, OTHER), 5 * UPLOADERS / 2);
	}
	db_destroy(db);
}

static void *end_device(void *data)
{
	struct uploader *ender = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct str phone = PHONE;
	ender->err = store_device_delete(&ctx, ender->db, ender->user_id, &phone, 1);
	atomic_store(&ender->is_done, true);
	return NULL;
}

/* What comes while the end waits for it ends, too, and is not there for a device of the same name (tear_down looks for keys without a counter). */
static void device__ended_during_an_upload__its_keys_never_come_back(void **state)
{
	struct world *world = *state;
	struct str ned = user_of(world, "ned");
	struct db *db = world_connect(1);
	struct uploader ender = {.db = db, .user_id = ned};
	assert_int_equal(add(world, ned, (struct keys){CURVE, 'k', 0, 3, "a"}), ERR_OK);
	assert_int_equal(add(world, ned, (struct keys){OTHER, 'k', 0, 3, "a"}), ERR_OK);
	PGconn *conn = upload_and_wait(world);
	pthread_t thread = thread_start("ender", end_device, &ender);
	commit_once_waited_for(conn, &ender.is_done);
	(void)pthread_join(thread, NULL);
	assert_int_equal(ender.err, ERR_OK);
	world_add_device(world, ned, PHONE);
	assert_int_equal(left(world, ned, CURVE) + left(world, ned, OTHER), 0);
	assert_true(claim_one(world, ned, CURVE).p == NULL);
	/* The same names may have another content: nothing of what was is known. */
	assert_int_equal(add(world, ned, (struct keys){CURVE, 'k', 0, 2, "b"}), ERR_OK);
	ASSERT_ID(claim_one(world, ned, CURVE), "k000");
	db_destroy(db);
}

static void *upload_six(void *data)
{
	struct uploader *uploader = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const struct key_addition condition = {.held_max = 12, .remembered = REMEMBERED};
	const struct keys six = {CURVE, 'l', 0, 6, "a"};
	uploader->err =
		add_if(&ctx, uploader->db, uploader->user_id, &six, 1, &condition, &uploader->added);
	atomic_store(&uploader->is_done, true);
	return NULL;
}

/* What it waited for leaves ten unclaimed keys of an algorithm, of which it sees five. */
static void assert_none_is_added(struct world *world, const char *name, struct str algorithm)
{
	struct str pat = user_of(world, name);
	struct str ids[5];
	struct db *db = world_connect(1);
	struct uploader uploader = {.db = db, .user_id = pat};
	assert_int_equal(add(world, pat, (struct keys){algorithm, 'k', 0, 10, "a"}), ERR_OK);
	assert_int_equal(claim(world, pat, algorithm, 5, ids), 5);
	assert_int_equal(add(world, pat, (struct keys){CURVE, 'j', 0, 1, "a"}), ERR_OK);
	assert_false(claim_one(world, pat, CURVE).p == NULL);
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	run_sql(conn, "BEGIN");
	run_sql(conn,
		arena_printf(world->ctx.arena,
			"UPDATE one_time_key_counters SET given = total - 10 WHERE user_id = '%.*s' AND total > 9",
			STR_ARG(pat)));
	pthread_t thread = thread_start("uploader", upload_six, &uploader);
	commit_once_waited_for(conn, &uploader.is_done);
	(void)pthread_join(thread, NULL);
	assert_int_equal(uploader.err, ERR_OK);
	assert_int_equal(uploader.added.outcome, KEYS_TOO_MANY);
	assert_int_equal(left(world, pat, algorithm), 10);
	db_destroy(db);
}

static void upload__more_are_held_once_it_has_waited__none_is_added(void **state)
{
	assert_none_is_added(*state, "pat", CURVE);
}

static void upload__more_of_another_algorithm_are_held_once_it_has_waited__none_is_added(
	void **state)
{
	assert_none_is_added(*state, "pam", OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEY_TEST(upload__part_of_it_known__the_rest_is_added),
		KEY_TEST(upload__ids_that_count_in_base64__none_lies_among_those_of_another),
		KEY_TEST(upload__known_with_another_content__refused_wherever_it_lies),
		KEY_TEST(upload__of_several_kinds__all_that_is_left_is_told),
		KEY_TEST(upload__of_more_than_may_be_held__none_is_added),
		KEY_TEST(upload__for_another_identity__none_is_added),
		KEY_TEST(upload__checked_meanwhile__added_when_it_is_good_and_else_nothing_is),
		KEY_TEST(upload__found_bad_meanwhile__leaves_the_connection_as_it_was),
		KEY_TEST(upload__of_a_device_that_is_gone__conflict),
		KEY_TEST(upload__more_than_are_remembered__the_oldest_that_were_given_are_forgotten),
		KEY_TEST(upload__many_of_one_device_at_once__each_key_once),
		KEY_TEST(device__ended_during_an_upload__its_keys_never_come_back),
		KEY_TEST(upload__more_are_held_once_it_has_waited__none_is_added),
		KEY_TEST(upload__more_of_another_algorithm_are_held_once_it_has_waited__none_is_added),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
