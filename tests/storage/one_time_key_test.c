/*
 * One-time keys as they lie in the database: in batches of what was uploaded together, of which keys are given out one by one.
 */
#include "storage/one_time_key.h"

#include "base/b64.h"
#include "base/lock.h"
#include "gen/embedded_migrations.h"
#include "storage/device.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <string.h>

#define CURVE STR("signed_curve25519")
#define OTHER STR("curve25519")
#define PHONE STR("PHONE")

enum {
	KEYS_MOST = 500,
	UPLOADERS = 6,
	REMEMBERED = 1000,
	BATCHES_MIGRATION = 62,
	ENTRIES_MIGRATION = 67,
	RANKS_MIGRATION = 68,
	COUNTERS_MIGRATION = 69
};

static struct str user_of(struct world *world, const char *name)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, PHONE);
	return user_id;
}

/* Keys of one algorithm, called by a letter and a number, with `content` before the name as content. */
struct keys {
	struct str algorithm;
	char letter;
	int first;
	int count;
	const char *content;
};

/* @param condition  with everything but the upload */
static enum err add_if(struct ctx *ctx, struct db *db, struct str user_id, const struct keys *keys,
	size_t n, const struct key_addition *condition, struct keys_added *out)
{
	struct str algorithms[KEYS_MOST];
	struct str ids[KEYS_MOST];
	struct str texts[KEYS_MOST];
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < keys[i].count; k++, count++) {
			algorithms[count] = keys[i].algorithm;
			ids[count] = str_printf(ctx->arena, "%c%03d", keys[i].letter, keys[i].first + k);
			texts[count] =
				str_printf(ctx->arena, "\"%s%.*s\"", keys[i].content, STR_ARG(ids[count]));
		}
	}
	struct key_addition addition = *condition;
	addition.upload = (struct key_upload){user_id, PHONE, algorithms, ids, texts, count};
	return store_one_time_key_add(ctx, db, &addition, out);
}

static enum err add_by(struct ctx *ctx, struct db *db, struct str user_id, const struct keys *keys,
	size_t n, int64_t remembered)
{
	const struct key_addition condition = {.held_max = REMEMBERED, .remembered = remembered};
	struct keys_added added;
	enum err err = add_if(ctx, db, user_id, keys, n, &condition, &added);
	return err == ERR_OK && added.outcome != KEYS_ADDED ? ERR_LIMIT : err;
}

static enum err add(struct world *world, struct str user_id, struct keys keys)
{
	return add_by(&world->ctx, world->db, user_id, &keys, 1, REMEMBERED);
}

static int64_t left(struct world *world, struct str user_id, struct str algorithm)
{
	struct device_key_state state;
	assert_int_equal(store_one_time_key_state(&world->ctx, world->db, user_id, PHONE, &state),
		ERR_OK);
	for (size_t i = 0; i < state.one_time_n; i++) {
		if (str_equals(state.one_time[i].algorithm, algorithm)) {
			return state.one_time[i].count;
		}
	}
	return 0;
}

/* Several of one kind in one claim. @param out  as the triples stand; p == NULL: none. @return how many there were */
static size_t claim(struct world *world, struct str user_id, struct str algorithm, size_t count,
	struct str *out)
{
	struct str users[KEYS_MOST];
	struct str devices[KEYS_MOST];
	struct str algorithms[KEYS_MOST];
	struct claimed_key *keys;
	size_t n;
	for (size_t i = 0; i < count; i++) {
		users[i] = user_id;
		devices[i] = PHONE;
		algorithms[i] = algorithm;
		out[i] = str_from(NULL, 0);
	}
	const struct key_claim wanted = {users, devices, algorithms, count};
	assert_int_equal(store_one_time_key_claim(&world->ctx, world->db, &wanted, &keys, &n), ERR_OK);
	for (size_t i = 0; i < n; i++) {
		assert_true(out[keys[i].index].p == NULL);
		assert_true(str_ends_with(str_slice(keys[i].key, 0, keys[i].key.n - 1), keys[i].key_id));
		out[keys[i].index] = keys[i].key_id;
	}
	return n;
}

static struct str claim_one(struct world *world, struct str user_id, struct str algorithm)
{
	struct str id;
	(void)claim(world, user_id, algorithm, 1, &id);
	return id;
}

#define ASSERT_ID(found, wanted) assert_true(str_equals((found), STR(wanted)))

static void run_sql(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_string_equal(PQresultErrorMessage(result), "");
	PQclear(result);
}

/* --- uploads ----------------------------------------------------------------------------------------------- */

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
	struct str ids[KEYS_MOST];
	struct str texts[KEYS_MOST];
	for (int i = 0; i < count; i++) {
		char counter[8] = {0};
		counter[bytes - 1] = (char)((first + i) & 0xFF);
		counter[bytes - 2] = (char)((first + i) >> 8);
		algorithms[i] = CURVE;
		ids[i] = b64_encode(arena, str_from(counter, bytes));
		texts[i] = str_printf(arena, "\"%d\"", first + i);
	}
	struct key_addition addition = {.held_max = REMEMBERED,
		.remembered = REMEMBERED,
		.upload = {user_id, PHONE, algorithms, ids, texts, (size_t)count}};
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

static void assert_left(const struct keys_added *added, size_t i, struct str algorithm,
	int64_t count)
{
	assert_true(i < added->left_n && str_equals(added->left[i].algorithm, algorithm));
	assert_int_equal(added->left[i].count, count);
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

static void upload__of_a_device_that_is_gone__conflict(void **state)
{
	struct world *world = *state;
	struct str cas = user_of(world, "cas");
	struct str phone = PHONE;
	assert_int_equal(add(world, cas, (struct keys){CURVE, 'k', 0, 3, "a"}), ERR_OK);
	assert_int_equal(store_device_delete(&world->ctx, world->db, cas, &phone, 1), ERR_OK);
	assert_int_equal(left(world, cas, CURVE), 0);
	assert_int_equal(add(world, cas, (struct keys){CURVE, 'k', 0, 3, "a"}), ERR_CONFLICT);
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

struct uploader {
	struct db *db;
	struct str user_id;
	struct keys keys[2];
	struct keys_added added;
	enum err err;
	atomic_bool is_done;
};

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

/* --- claims ---------------------------------------------------------------------------------------------------- */

static void claim__several_of_one_device__all_different_and_the_oldest(void **state)
{
	struct world *world = *state;
	struct str fay = user_of(world, "fay");
	struct str ids[KEYS_MOST];
	const struct str fallback = STR("fallback");
	const struct str text = STR("\"fallback\"");
	const struct str algorithm = CURVE;
	const struct key_upload upload = {fay, PHONE, &algorithm, &fallback, &text, 1};
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
	assert_true(str_equals(ids[3], fallback) && str_equals(ids[4], fallback));
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

static bool is_waited_for(PGconn *conn)
{
	PGresult *result = PQexec(conn, "SELECT 1 FROM pg_locks WHERE NOT granted");
	bool is_waited = PQntuples(result) > 0;
	PQclear(result);
	return is_waited;
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

/* In a transaction that is left open: of the device's keys all are given out, and another comes. */
static PGconn *upload_and_wait(struct world *world)
{
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	run_sql(conn, "BEGIN");
	run_sql(conn,
		"WITH c AS (UPDATE one_time_key_counters SET given = total, total = total + 1, last_rank = 'noop'"
		" WHERE user_id IN ('@meg:hs', '@ned:hs') AND algorithm = 'signed_curve25519' RETURNING counter_nid, total) "
		"INSERT INTO one_time_key_batches (counter_nid, seq, total, first_rank, last_rank, keys)"
		" SELECT counter_nid, total - 1, 1, 'noop', 'noop', '\\x040007'::bytea || 'z001\"az001\"'::bytea FROM c");
	return conn;
}

static void commit_once_waited_for(PGconn *conn, const atomic_bool *is_done)
{
	while (!is_waited_for(conn) && !atomic_load(is_done)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	assert_false(atomic_load(is_done));
	run_sql(conn, "COMMIT");
	PQfinish(conn);
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

/* What it waited for leaves ten unclaimed keys, of which it sees five. */
static void upload__more_are_held_once_it_has_waited__none_is_added(void **state)
{
	struct world *world = *state;
	struct str pat = user_of(world, "pat");
	struct str ids[5];
	struct db *db = world_connect(1);
	struct uploader uploader = {.db = db, .user_id = pat};
	assert_int_equal(add(world, pat, (struct keys){CURVE, 'k', 0, 10, "a"}), ERR_OK);
	assert_int_equal(claim(world, pat, CURVE, 5, ids), 5);
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	run_sql(conn, "BEGIN");
	run_sql(conn, "UPDATE one_time_key_counters SET given = 0 WHERE user_id = '@pat:hs'");
	pthread_t thread = thread_start("uploader", upload_six, &uploader);
	commit_once_waited_for(conn, &uploader.is_done);
	(void)pthread_join(thread, NULL);
	assert_int_equal(uploader.err, ERR_OK);
	assert_int_equal(uploader.added.outcome, KEYS_TOO_MANY);
	assert_int_equal(left(world, pat, CURVE), 10);
	db_destroy(db);
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
	bool is_taken[KEYS] = {false};
	struct claimer *claimers = ARENA_NEW_ARRAY(arena, struct claimer, CLAIMERS);
	pthread_t threads[CLAIMERS];
	for (int i = 0; i < KEYS; i++) {
		algorithms[i] = CURVE;
		ids[i] = str_printf(arena, "%0*d", 3 + i % 7 * 40, i);
		texts[i] = key_of_form(arena, lea, i);
	}
	struct key_addition addition = {.held_max = REMEMBERED,
		.remembered = REMEMBERED,
		.upload = {lea, PHONE, algorithms, ids, texts, KEYS}};
	struct keys_added added;
	for (int i = 0; i < 2; i++) { /* the same again adds nothing */
		assert_int_equal(store_one_time_key_add(&world->ctx, world->db, &addition, &added), ERR_OK);
		assert_int_equal(added.outcome, KEYS_ADDED);
		assert_left(&added, 0, CURVE, KEYS);
	}
	for (int i = 0; i < KEYS; i += 13) { /* another content of whatever form */
		struct key_addition other = addition;
		struct str text = key_of_form(arena, lea, i + 1);
		other.upload = (struct key_upload){lea, PHONE, algorithms, &ids[i], &text, 1};
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

/* --- how keys of before came into batches ------------------------------------------------------------------------- */

static const char BEFORE[] =
	"CREATE SCHEMA before; SET search_path = before, public;"
	"CREATE TABLE one_time_keys (user_id text NOT NULL, device_id text NOT NULL, algorithm text NOT NULL, key_id text NOT NULL,"
	" key text NOT NULL, is_claimed boolean NOT NULL DEFAULT false, seq bigint GENERATED ALWAYS AS IDENTITY);"
	/* Ids go down, so that their order is not that of the upload; 130 were given. */
	"INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, is_claimed)"
	" SELECT '@ida:hs', 'PHONE', 'signed_curve25519', 'k' || 999 - n, '\"k' || 999 - n || '\"', n <= 130 FROM generate_series(1, 300) AS n;"
	"INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, is_claimed)"
	" VALUES ('@ida:hs', 'PHONE', 'curve25519', 'o1', '\"o1\"', true), ('@ida:hs', 'PHONE', 'curve25519', 'o2', '\"o2\"', false);";

/* Counters of before become those of now, by numbers that are free here. */
static void bring_over(PGconn *conn)
{
	run_sql(conn, embedded_migrations[COUNTERS_MIGRATION - 1].text);
	run_sql(conn,
		"CREATE TABLE numbers AS SELECT counter_nid, nextval('public.one_time_key_counters_counter_nid_seq') AS free_nid FROM before.one_time_key_counters;"
		"INSERT INTO public.one_time_key_counters (user_id, device_id, algorithm, counter_nid, total, given, last_rank) OVERRIDING SYSTEM VALUE"
		" SELECT user_id, device_id, algorithm, free_nid, total, given, last_rank FROM before.one_time_key_counters JOIN numbers USING (counter_nid);"
		"INSERT INTO public.one_time_key_batches (counter_nid, seq, total, first_rank, last_rank, keys)"
		" SELECT free_nid, seq, total, first_rank, last_rank, keys FROM before.one_time_key_batches JOIN numbers USING (counter_nid)");
	run_sql(conn, "SET client_min_messages = error; DROP SCHEMA before CASCADE");
}

static void migration__keys_of_before__go_on_in_order(void **state)
{
	struct world *world = *state;
	struct str ida = user_of(world, "ida");
	struct str ids[KEYS_MOST];
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	run_sql(conn, BEFORE);
	run_sql(conn, embedded_migrations[BATCHES_MIGRATION - 1].text);
	run_sql(conn, embedded_migrations[ENTRIES_MIGRATION - 1].text);
	run_sql(conn, /* of the first batch that is not spent some were given since */
		"UPDATE one_time_key_batches SET given = 5 WHERE seq = (SELECT min(seq) FROM one_time_key_batches WHERE algorithm = 'signed_curve25519' AND NOT is_spent)");
	run_sql(conn, embedded_migrations[RANKS_MIGRATION - 1].text);
	bring_over(conn);
	PQfinish(conn);
	assert_int_equal(left(world, ida, CURVE), 165);
	assert_int_equal(left(world, ida, OTHER), 1);
	/* Those that were given are known. */
	assert_int_equal(add(world, ida, (struct keys){CURVE, 'k', 998, 1, ""}), ERR_OK);
	assert_int_equal(add(world, ida, (struct keys){CURVE, 'k', 900, 1, "b"}), ERR_INPUT);
	assert_int_equal(add(world, ida, (struct keys){CURVE, 'k', 866, 1, "b"}), ERR_INPUT);
	assert_int_equal(add(world, ida, (struct keys){CURVE, 'n', 0, 1, ""}), ERR_OK);
	assert_int_equal(claim(world, ida, CURVE, 166, ids), 166);
	for (int i = 0; i < 165; i++) {
		assert_true(str_equals(ids[i], str_printf(world->ctx.arena, "k%d", 999 - 136 - i)));
	}
	ASSERT_ID(ids[165], "n000");
	ASSERT_ID(claim_one(world, ida, OTHER), "o2");
}

/*
 * Batches as 0062 had them, of which some keys were given: the texts of all lengths that an entry has room for, one id beyond ASCII; one
 * that is spent, one of which nothing was given, and one of a single key. Ids do not go in the order of the keys.
 */
static const char ARRAYS[] =
	"CREATE SCHEMA before; SET search_path = before, public;"
	"CREATE TABLE one_time_keys (user_id text, device_id text, algorithm text, key_id text, key text, is_claimed boolean, seq bigint);";
static const char PARTLY_GIVEN[] =
	"INSERT INTO one_time_key_batches (user_id, device_id, algorithm, seq, first_id, last_id, key_ids, keys, total, given, is_spent)"
	" SELECT '@jo:hs', 'PHONE', 'signed_curve25519', b.seq, min(k.id COLLATE \"C\"), max(k.id COLLATE \"C\"),"
	"  array_agg(k.id ORDER BY k.n), array_agg('\"' || repeat('x', k.n * k.n * b.longer) || k.id || '\"' ORDER BY k.n),"
	"  b.total, b.given, b.total = b.given"
	" FROM (VALUES (0, 4, 4, 1), (4, 50, 17, 12), (54, 30, 0, 1), (84, 1, 0, 0)) AS b(seq, total, given, longer)"
	" CROSS JOIN LATERAL (SELECT n, CASE n WHEN 20 THEN '鑰匙' || b.seq WHEN 21 THEN repeat('i', 253) || to_char(b.seq, 'FM00') ELSE"
	"  'k' || to_char((n * 37 + b.seq) % 1000, 'FM000') || b.seq END AS id FROM generate_series(1, b.total) AS n) AS k"
	" GROUP BY b.seq, b.total, b.given, b.longer";

static void migration__batches_partly_given__go_on_behind_what_was_given(void **state)
{
	struct world *world = *state;
	struct str jo = user_of(world, "jo");
	struct str ids[KEYS_MOST];
	struct str left_ids[KEYS_MOST];
	size_t left_n = 0;
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	run_sql(conn, ARRAYS);
	run_sql(conn, embedded_migrations[BATCHES_MIGRATION - 1].text);
	run_sql(conn, PARTLY_GIVEN);
	PGresult *keys = PQexec(conn,
		"SELECT u.id, u.key, u.n > b.given FROM one_time_key_batches AS b, unnest(b.key_ids, b.keys)"
		" WITH ORDINALITY AS u(id, key, n) ORDER BY b.seq, u.n");
	assert_int_equal(PQntuples(keys), 85);
	run_sql(conn, embedded_migrations[ENTRIES_MIGRATION - 1].text);
	run_sql(conn, embedded_migrations[RANKS_MIGRATION - 1].text);
	bring_over(conn);
	PQfinish(conn);
	/* What is there is known, given or not: another text of the same name is refused, the same adds nothing. */
	for (int i = 0; i < PQntuples(keys); i++) {
		struct str algorithms[] = {CURVE};
		struct str id = str_of(PQgetvalue(keys, i, 0));
		struct str texts[] = {str_of(PQgetvalue(keys, i, 1)), STR("\"other\"")};
		struct keys_added added;
		for (int k = 0; k < 2; k++) {
			const struct key_addition addition = {
				.upload = {jo, PHONE, algorithms, &id, &texts[k], 1},
				.held_max = KEYS_MOST,
				.remembered = REMEMBERED};
			assert_int_equal(store_one_time_key_add(&world->ctx, world->db, &addition, &added),
				k == 0 ? ERR_OK : ERR_INPUT);
		}
		if (PQgetvalue(keys, i, 2)[0] == 't') {
			left_ids[left_n++] = id;
		}
	}
	assert_int_equal(left_n, 64);
	assert_int_equal(left(world, jo, CURVE), left_n);
	assert_int_equal(claim(world, jo, CURVE, 80, ids), left_n);
	for (size_t i = 0; i < left_n; i++) {
		assert_true(str_equals(ids[i], left_ids[i]));
	}
	PQclear(keys);
}

/* What no constraint of the table says: it would be read in each statement. */
static const char WRONG[] =
	"SELECT 1 FROM one_time_key_counters WHERE given < 0 OR given > total "
	"UNION ALL SELECT 1 FROM one_time_key_batches WHERE total < 1 OR octet_length(keys) % total <> 0 "
	"UNION ALL SELECT 1 FROM one_time_key_batches WHERE counter_nid NOT IN (SELECT counter_nid FROM one_time_key_counters) "
	"UNION ALL SELECT 1 FROM one_time_key_counters c JOIN (SELECT *, lead(seq) OVER (PARTITION BY counter_nid ORDER BY seq) AS next FROM one_time_key_batches) AS b"
	" USING (counter_nid) WHERE b.seq + b.total <> coalesce(b.next, c.total) OR b.last_rank > c.last_rank "
	"UNION ALL SELECT 1 FROM one_time_key_batches b CROSS JOIN LATERAL ("
	" SELECT substring(b.keys, (i * octet_length(b.keys) / b.total + 1)::integer, (octet_length(b.keys) / b.total)::integer) AS entry FROM generate_series(0, b.total - 1) AS i) AS e "
	"CROSS JOIN LATERAL (SELECT translate(convert_from(substring(entry, 4, get_byte(entry, 0)), 'UTF8'),"
	" 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',"
	" '+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') COLLATE \"C\" AS rank) AS n "
	"WHERE n.rank NOT BETWEEN b.first_rank AND b.last_rank";

static int tear_down(void **state)
{
	PGconn *conn =
		PQconnectdb(arena_printf(((struct world *)*state)->ctx.arena, "%.*s", STR_ARG(world_url)));
	PGresult *wrong = PQexec(conn, WRONG);
	bool is_good = PQresultStatus(wrong) == PGRES_TUPLES_OK && PQntuples(wrong) == 0;
	PQclear(wrong);
	PQfinish(conn);
	int err = world_tear_down(state);
	return is_good ? err : -1;
}

#define KEY_TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, tear_down)

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
		KEY_TEST(upload__of_a_device_that_is_gone__conflict),
		KEY_TEST(upload__more_than_are_remembered__the_oldest_that_were_given_are_forgotten),
		KEY_TEST(upload__many_of_one_device_at_once__each_key_once),
		KEY_TEST(claim__several_of_one_device__all_different_and_the_oldest),
		KEY_TEST(claim__of_a_large_upload__every_key_once),
		KEY_TEST(claim__batch_spent_while_it_waited__gets_one_of_the_next),
		KEY_TEST(claim__uploaded_while_it_waited__gets_that),
		KEY_TEST(device__ended_during_an_upload__its_keys_never_come_back),
		KEY_TEST(upload__more_are_held_once_it_has_waited__none_is_added),
		KEY_TEST(claim__keys_of_many_forms_by_many_at_once__each_once_and_as_it_was),
		KEY_TEST(migration__keys_of_before__go_on_in_order),
		KEY_TEST(migration__batches_partly_given__go_on_behind_what_was_given),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
