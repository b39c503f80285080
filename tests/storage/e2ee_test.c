/*
 * The server's half of end-to-end encryption on a real PostgreSQL: identity keys, one-time keys that nobody gets twice, also while
 * connections break, and messages to devices.
 */
#include "storage/one_time_key.h"

#include "base/lock.h"
#include "storage/device.h"
#include "storage/device_key.h"
#include "storage/device_list.h"
#include "storage/key_backup.h"
#include "storage/to_device.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CURVE STR("signed_curve25519")

enum { CLAIMERS = 8, KEYS = 160, CLAIMED_KEPT = 1000 };

/* A user of its own with a device. */
static struct str user_of(struct world *world, const char *name)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, STR("PHONE"));
	return user_id;
}

/* --- identity keys ----------------------------------------------------------------------------------------------- */

static struct writer *start_writer(void)
{
	struct writer *writer = writer_create(
		&(struct writer_config){.url = world_url, .queue_limit = 100, .group_limit = 10});
	assert_non_null(writer);
	return writer;
}

/* Commits what `add` adds to `write`; gives what became of it. */
#define IN_WRITE(world, writer, add) \
	__extension__({ \
		struct write *write = write_new(&(world)->ctx); \
		write_set_positions(write, 1); \
		add; \
		writer_commit(&(world)->ctx, writer, write, NULL); \
	})

static struct device_key_facts facts_of(struct world *world, struct str user_id)
{
	struct device_key_facts facts;
	assert_int_equal(store_device_key_facts(&world->ctx, world->db, user_id, STR("PHONE"), &facts),
		ERR_OK);
	return facts;
}

static size_t keys_seen(struct world *world, struct str user_id, struct str viewer,
	struct stored_key **out)
{
	size_t count;
	assert_int_equal(
		store_device_key_query(&world->ctx, world->db, &user_id, 1, viewer, out, &count), ERR_OK);
	return count;
}

static void sign(struct write *write, struct str user_id, struct str key, struct str signer)
{
	store_key_signature_set(write,
		&(struct key_signature_row){user_id, key, signer, STR("ed25519:S"), STR("sig")});
}

static void device_keys__set_and_replaced__with_what_hung_on_them(void **state)
{
	struct world *world = *state;
	struct writer *writer = start_writer();
	struct str ann = user_of(world, "ann");
	struct stored_key *keys;
	assert_true(facts_of(world, ann).ed25519.p == NULL);
	assert_int_equal(IN_WRITE(world, writer,
						 store_device_key_set(write, ann, STR("PHONE"), STR("ed1"), STR("{1}"))),
		ERR_OK);
	assert_int_equal(IN_WRITE(world, writer, sign(write, ann, STR("PHONE"), ann)), ERR_OK);
	assert_int_equal(IN_WRITE(world, writer, sign(write, ann, STR("PHONE"), STR("@bob:hs"))),
		ERR_OK);
	assert_true(str_equals(facts_of(world, ann).ed25519, STR("ed1")));
	assert_int_equal(keys_seen(world, ann, ann, &keys),
		2); /* nobody sees what others have signed */
	assert_int_equal(keys[0].kind, STORED_DEVICE_KEY);
	assert_true(str_equals(keys[0].body, STR("{1}")));
	assert_true(str_equals(keys[0].display_name, STR("Phone")));
	assert_int_equal(keys[1].kind, STORED_SIGNATURE);
	assert_true(str_equals(keys[1].signer_user, ann));
	assert_int_equal(keys_seen(world, ann, STR("@bob:hs"), &keys), 3);
	assert_int_equal(keys_seen(world, ann, STR("@eve:hs"), &keys), 2);
	assert_int_equal(IN_WRITE(world, writer,
						 store_device_key_set(write, ann, STR("PHONE"), STR("ed2"), STR("{2}"))),
		ERR_OK);
	assert_int_equal(keys_seen(world, ann, STR("@bob:hs"), &keys), 1);
	assert_true(str_equals(keys[0].body, STR("{2}")));
	writer_destroy(writer);
}

static void device_keys__device_gone__missing_and_no_keys(void **state)
{
	struct world *world = *state;
	struct writer *writer = start_writer();
	struct str gus = user_of(world, "gus");
	struct stored_key *keys;
	struct str phone = STR("PHONE");
	assert_int_equal(
		IN_WRITE(world, writer, store_device_key_set(write, gus, phone, STR("ed"), STR("{}"))),
		ERR_OK);
	assert_int_equal(store_device_delete(&world->ctx, world->db, gus, &phone, 1), ERR_OK);
	assert_int_equal(keys_seen(world, gus, gus, &keys), 0);
	assert_int_equal(
		IN_WRITE(world, writer, store_device_key_set(write, gus, phone, STR("ed"), STR("{}"))),
		ERR_MISSING);
	assert_int_equal(keys_seen(world, gus, gus, &keys), 0);
	writer_destroy(writer);
}

static void cross_signing__account_ends__keys_and_signatures_gone(void **state)
{
	struct world *world = *state;
	struct writer *writer = start_writer();
	struct str cas = user_of(world, "cas");
	struct stored_key *keys;
	assert_int_equal(IN_WRITE(world, writer,
						 store_cross_key_set(write, cas, STR("master"), STR("M1"), STR("{m}"))),
		ERR_OK);
	assert_int_equal(IN_WRITE(world, writer, sign(write, cas, STR("M1"), cas)), ERR_OK);
	assert_int_equal(keys_seen(world, cas, cas, &keys), 2);
	assert_int_equal(keys[0].kind, STORED_CROSS_KEY);
	assert_true(str_equals(keys[0].public_key, STR("M1")));
	assert_int_equal(IN_WRITE(world, writer,
						 store_cross_key_set(write, cas, STR("master"), STR("M2"), STR("{n}"))),
		ERR_OK);
	assert_int_equal(keys_seen(world, cas, cas, &keys), 1); /* the signature was of the old one */
	struct str eve = user_of(world, "eve");
	assert_int_equal(IN_WRITE(world, writer,
						 store_cross_key_set(write, eve, STR("master"), STR("E1"), STR("{e}"))),
		ERR_OK);
	assert_int_equal(IN_WRITE(world, writer, sign(write, eve, STR("E1"), cas)), ERR_OK);
	assert_int_equal(keys_seen(world, eve, cas, &keys), 2);
	assert_int_equal(store_device_key_end_account(&world->ctx, world->db, cas), ERR_OK);
	assert_int_equal(keys_seen(world, cas, cas, &keys), 0);
	assert_int_equal(keys_seen(world, eve, cas, &keys), 1);
	bool is_told;
	assert_int_equal(store_device_list_is_pending(&world->ctx, world->db, cas, &is_told), ERR_OK);
	assert_true(is_told);
	writer_destroy(writer);
}

/* --- one-time keys ----------------------------------------------------------------------------------------------- */

static struct key_entry text_entry(struct str id, struct str text)
{
	return (struct key_entry){.id = id, .content = text, .is_text = true};
}

/* Keys "k0" and on, with their numbers as content. */
static enum err add_keys(struct world *world, struct str user_id, int first, int count,
	const char *content)
{
	struct arena *arena = world->ctx.arena;
	struct str algorithms[KEYS];
	struct key_entry keys[KEYS];
	for (int i = 0; i < count; i++) {
		algorithms[i] = CURVE;
		keys[i] = text_entry(str_printf(arena, "k%d", first + i),
			str_printf(arena, "\"%s%d\"", content, first + i));
	}
	const struct key_addition addition = {
		.upload = {user_id, STR("PHONE"), algorithms, keys, (size_t)count},
		.held_max = KEYS,
		.remembered = CLAIMED_KEPT,
	};
	struct keys_added added;
	return store_one_time_key_add(&world->ctx, world->db, &addition, &added);
}

/* @return the key's number, -1: none was given, -2: the claim failed */
static int claim_by(struct ctx *ctx, struct db *db, struct str user_id)
{
	const struct str device = STR("PHONE");
	const struct str algorithm = CURVE;
	const struct key_claim claim = {&user_id, &device, &algorithm, 1};
	struct claimed_key *keys;
	size_t count;
	int64_t number = -1;
	if (store_one_time_key_claim(ctx, db, &claim, &keys, &count) != ERR_OK) {
		return -2;
	}
	if (count > 0 &&
		!str_to_int(str_slice(keys[0].key_id, 1, keys[0].key_id.n), 0, KEYS, &number)) {
		number = KEYS; /* the fallback key */
	}
	return (int)number;
}

static int claim(struct world *world, struct str user_id)
{
	return claim_by(&world->ctx, world->db, user_id);
}

static int64_t unclaimed(struct world *world, struct str user_id)
{
	struct device_key_state left;
	assert_int_equal(store_one_time_key_state(&world->ctx, world->db, user_id, STR("PHONE"), &left),
		ERR_OK);
	return left.one_time_n == 0 ? 0 : left.one_time[0].count;
}

static void one_time_keys__claimed__the_oldest_and_never_again(void **state)
{
	struct world *world = *state;
	struct str ota = user_of(world, "ota");
	assert_int_equal(add_keys(world, ota, 0, 3, "a"), ERR_OK);
	assert_int_equal(add_keys(world, ota, 0, 4, "a"), ERR_OK); /* three of them again */
	assert_int_equal(unclaimed(world, ota), 4);
	assert_int_equal(claim(world, ota), 0);
	assert_int_equal(add_keys(world, ota, 0, 1, "a"),
		ERR_OK); /* a client that did not hear of it */
	assert_int_equal(unclaimed(world, ota), 3);
	assert_int_equal(add_keys(world, ota, 3, 2, "b"), ERR_INPUT);
	assert_int_equal(unclaimed(world, ota), 3); /* nor the other of the two */
	assert_int_equal(claim(world, ota), 1);
	assert_int_equal(claim(world, ota), 2);
	assert_int_equal(claim(world, ota), 3);
	assert_int_equal(claim(world, ota), -1);
}

static void fallback_key__used_up__again_and_again_and_told(void **state)
{
	struct world *world = *state;
	struct str fay = user_of(world, "fay");
	struct device_key_state left;
	const struct str algorithm = CURVE;
	const struct key_entry key = text_entry(STR("fallback"), STR("\"f\""));
	const struct key_upload upload = {fay, STR("PHONE"), &algorithm, &key, 1};
	assert_int_equal(store_fallback_key_set(&world->ctx, world->db, &upload), ERR_OK);
	assert_int_equal(add_keys(world, fay, 0, 1, "a"), ERR_OK);
	assert_int_equal(claim(world, fay), 0);
	assert_int_equal(store_one_time_key_state(&world->ctx, world->db, fay, STR("PHONE"), &left),
		ERR_OK);
	assert_int_equal(left.unused_fallback_n, 1);
	assert_int_equal(claim(world, fay), KEYS);
	assert_int_equal(claim(world, fay), KEYS);
	assert_int_equal(store_fallback_key_set(&world->ctx, world->db, &upload), ERR_OK);
	assert_int_equal(store_one_time_key_state(&world->ctx, world->db, fay, STR("PHONE"), &left),
		ERR_OK);
	assert_int_equal(left.unused_fallback_n, 0); /* the same one is as used as before */
}

static void claim__some_have_one_time_keys__each_gets_its_own(void **state)
{
	struct world *world = *state;
	const struct str users[] = {user_of(world, "mia"), user_of(world, "max"), user_of(world, "moe"),
		user_of(world, "mel")};
	const struct str devices[] = {STR("PHONE"), STR("PHONE"), STR("PHONE"), STR("PHONE")};
	const struct str algorithms[] = {CURVE, CURVE, CURVE, CURVE};
	const struct key_entry key = text_entry(STR("fallback"), STR("\"f\""));
	const struct key_upload upload = {users[2], STR("PHONE"), algorithms, &key, 1};
	const struct key_claim wanted = {users, devices, algorithms, COUNT_OF(users)};
	struct str got[COUNT_OF(users)] = {{0}};
	struct claimed_key *keys;
	size_t count;
	assert_int_equal(store_fallback_key_set(&world->ctx, world->db, &upload), ERR_OK);
	assert_int_equal(add_keys(world, users[1], 1, 1, "a"), ERR_OK);
	assert_int_equal(add_keys(world, users[3], 3, 1, "a"), ERR_OK);
	assert_int_equal(store_one_time_key_claim(&world->ctx, world->db, &wanted, &keys, &count),
		ERR_OK);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		got[keys[i].index] = keys[i].key_id;
	}
	assert_true(got[0].p == NULL); /* has none at all */
	assert_true(str_equals(got[1], STR("k1")));
	assert_true(str_equals(got[2], key.id));
	assert_true(str_equals(got[3], STR("k3")));
}

struct claimer {
	struct db *db;
	struct str user_id;
	int claims;
	atomic_int *given;   /* for each key, how often */
	atomic_int *answers; /* of all claimers, good or not */
	int empty;
	int failed;
};

static void *claim_many(void *data)
{
	struct claimer *claimer = data;
	for (int i = 0; i < claimer->claims; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		int number = claim_by(&ctx, claimer->db, claimer->user_id);
		claimer->empty += number == -1;
		claimer->failed += number == -2;
		if (number >= 0) {
			atomic_fetch_add(&claimer->given[number], 1);
		}
		atomic_fetch_add(claimer->answers, 1);
	}
	return NULL;
}

/* Runs them; `blows` times in between all connections break. @return keys given; each once at the most */
static int run_claimers(struct claimer *claimers, const struct claimer *like, int blows)
{
	pthread_t threads[CLAIMERS];
	int given = 0;
	for (int i = 0; i < CLAIMERS; i++) {
		claimers[i] = *like;
		threads[i] = thread_start("claimer", claim_many, &claimers[i]);
	}
	for (int i = 0; i < blows; i++) {
		while (atomic_load(like->answers) < (i + 1) * CLAIMERS) {
			const struct timespec pause = {.tv_nsec = 200000L};
			(void)nanosleep(&pause, NULL);
		}
		world_kill_backends();
	}
	for (int i = 0; i < CLAIMERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	for (int i = 0; i < KEYS; i++) {
		assert_in_range(atomic_load(&like->given[i]), 0, 1);
		given += atomic_load(&like->given[i]);
	}
	return given;
}

static void one_time_keys__claimed_by_many_at_once__each_key_once_and_none_empty(void **state)
{
	struct world *world = *state;
	struct claimer claimers[CLAIMERS];
	atomic_int given[KEYS + 1] = {0};
	atomic_int answers = 0;
	const struct claimer like = {.db = world_connect(CLAIMERS),
		.user_id = user_of(world, "many"),
		.claims = KEYS / CLAIMERS,
		.given = given,
		.answers = &answers};
	assert_int_equal(add_keys(world, like.user_id, 0, KEYS, "a"), ERR_OK);
	assert_int_equal(run_claimers(claimers, &like, 0), KEYS);
	for (int i = 0; i < CLAIMERS; i++) {
		assert_int_equal(claimers[i].empty + claimers[i].failed, 0);
	}
	db_destroy(like.db);
	assert_int_equal(claim(world, like.user_id), -1);
}

static void one_time_keys__connections_break__no_key_twice(void **state)
{
	struct world *world = *state;
	struct claimer claimers[CLAIMERS];
	atomic_int given[KEYS + 1] = {0};
	atomic_int answers = 0;
	const struct claimer like = {.db = world_connect(CLAIMERS),
		.user_id = user_of(world, "broken"),
		.claims = KEYS / CLAIMERS / 2,
		.given = given,
		.answers = &answers};
	assert_int_equal(add_keys(world, like.user_id, 0, KEYS, "a"), ERR_OK);
	int in_hand = run_claimers(claimers, &like, 5);
	db_destroy(like.db);
	db_destroy(world->db);
	world->db = world_connect(2);
	/* What somebody has is claimed; a key whose answer was lost may be, and is nobody's. */
	assert_true(in_hand > 0);
	assert_true(unclaimed(world, like.user_id) <= KEYS - in_hand);
	for (int number = claim(world, like.user_id); number >= 0;
		 number = claim(world, like.user_id)) {
		assert_int_equal(atomic_fetch_add(&given[number], 1), 0);
	}
	assert_int_equal(unclaimed(world, like.user_id), 0);
}

/* --- messages to devices ----------------------------------------------------------------------------------------- */

static enum err send_to(struct world *world, struct writer *writer, struct str user_id,
	const char *message)
{
	return IN_WRITE(world, writer,
		store_to_device_add(write, user_id, STR("PHONE"), str_of(message)));
}

/* What comes after `arrived`, which goes. */
static size_t next(struct world *world, struct str user_id, int64_t arrived, int64_t limit,
	struct to_device_row **out)
{
	size_t count;
	const struct to_device_span span = {user_id, STR("PHONE"), arrived, INT64_MAX, limit};
	assert_int_equal(store_to_device_next(&world->ctx, world->db, &span, out, &count), ERR_OK);
	return count;
}

static void to_device__sent__in_order_until_arrived_also_after_a_crash(void **state)
{
	struct world *world = *state;
	struct writer *writer = start_writer();
	struct str tom = user_of(world, "tom");
	struct to_device_row *rows;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(send_to(world, writer, tom, arena_printf(world->ctx.arena, "m%d", i)),
			ERR_OK);
	}
	assert_int_equal(send_to(world, writer, STR("@nobody:hs"), "lost"), ERR_OK);
	assert_int_equal(next(world, tom, 0, 2, &rows), 2);
	assert_true(str_equals(rows[0].message, STR("m0")));
	assert_int_equal(next(world, tom, 0, 2, &rows), 2); /* the answer was lost: the same again */
	assert_true(str_equals(rows[0].message, STR("m0")) && rows[0].position < rows[1].position);
	int64_t arrived = rows[1].position;
	world_kill_backends();
	writer_destroy(writer);
	db_destroy(world->db);
	world->db = world_connect(2);
	assert_int_equal(next(world, tom, arrived, 10, &rows), 3);
	assert_true(str_equals(rows[0].message, STR("m2")) && str_equals(rows[2].message, STR("m4")));
	assert_int_equal(next(world, tom, 0, 10, &rows), 3); /* what has arrived is gone */
	assert_int_equal(next(world, tom, rows[2].position, 10, &rows), 0);
	assert_int_equal(next(world, tom, 0, 10, &rows), 0);
}

static enum err back_up(struct world *world, int64_t version, size_t count, int64_t *out_count)
{
	const struct backup_span span = {.user_id = STR("@keeper:hs"), .version = version};
	const struct backup_key keys[] = {
		{.room_id = STR("!r"), .session_id = STR("one"), .session_data = STR("{}")},
		{.room_id = STR("!r"), .session_id = STR("two"), .session_data = STR("{}")},
		{.room_id = STR("!r"), .session_id = STR("three"), .session_data = STR("{}")},
	};
	struct backup_row row = {0};
	enum err err = store_key_backup_put(&world->ctx, world->db, &span, keys, count, 2, &row);
	*out_count = row.key_count;
	return err;
}

static void key_backup__more_keys_than_it_may_have__none_of_them_put(void **state)
{
	struct world *world = *state;
	int64_t version;
	int64_t count;
	world_add_account(world, STR("@keeper:hs"));
	const struct backup_row row = {.algorithm = STR("a"), .auth_data = STR("{}")};
	assert_int_equal(
		store_key_backup_create(&world->ctx, world->db, STR("@keeper:hs"), &row, 9, &version),
		ERR_OK);
	assert_int_equal(back_up(world, version, 3, &count), ERR_CONFLICT);
	assert_int_equal(back_up(world, version, 2, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_int_equal(back_up(world, version, 3, &count), ERR_CONFLICT);
	assert_int_equal(back_up(world, version, 1, &count), ERR_OK);
	assert_int_equal(count, 2);
}

static void to_device__too_many__the_newest_stay(void **state)
{
	struct world *world = *state;
	struct writer *writer = start_writer();
	struct str tim = user_of(world, "tim");
	struct to_device_row *rows;
	struct str phone = STR("PHONE");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(send_to(world, writer, tim, arena_printf(world->ctx.arena, "m%d", i)),
			ERR_OK);
	}
	assert_int_equal(IN_WRITE(world, writer, store_to_device_trim(write, tim, phone, 2)), ERR_OK);
	assert_int_equal(next(world, tim, 0, 10, &rows), 2);
	assert_true(str_equals(rows[0].message, STR("m3")) && str_equals(rows[1].message, STR("m4")));
	assert_int_equal(store_device_delete(&world->ctx, world->db, tim, &phone, 1), ERR_OK);
	world_add_device(world, tim, phone);
	assert_int_equal(next(world, tim, 0, 10, &rows), 0); /* another device of the same name */
	writer_destroy(writer);
}

/* Who waits for the transaction that is open meanwhile. */
struct waiting {
	struct writer *writer; /* NULL: the user's devices end */
	struct db *db;
	struct str user_id;
	bool is_another;   /* of the writer: an identity, in place of a message */
	struct str too_to; /* p != NULL: with it a message to this device */
	enum err err;
	atomic_bool is_done;
};

static enum err end_devices(struct ctx *ctx, struct db *db, struct str user_id)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, db, &tx));
	TRY(store_device_delete_but(ctx, tx, user_id, (struct str){0}));
	return tx_commit(ctx, &tx);
}

static void *send_or_end(void *data)
{
	struct waiting *waiting = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct str phone = STR("PHONE");
	if (waiting->writer == NULL) {
		waiting->err = end_devices(&ctx, waiting->db, waiting->user_id);
	} else {
		struct write *write = write_new(&ctx);
		write_set_positions(write, 1);
		if (waiting->is_another) {
			store_device_key_set(write, waiting->user_id, phone, STR("ed2"), STR("{2}"));
		} else {
			store_to_device_add(write, waiting->user_id, phone, STR("late"));
		}
		if (waiting->too_to.p != NULL) {
			store_to_device_add(write, waiting->user_id, waiting->too_to, STR("too"));
		}
		waiting->err = writer_commit(&ctx, waiting->writer, write, NULL);
	}
	atomic_store(&waiting->is_done, true);
	return NULL;
}

static bool has_rows(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_string_equal(PQresultErrorMessage(result), "");
	bool has = PQntuples(result) > 0;
	PQclear(result);
	return has;
}

/* Until somebody waits for the connection with this number. */
static void wait_for(PGconn *conn, int pid, const struct waiting *waiting)
{
	char sql[128];
	(void)snprintf(sql, sizeof(sql),
		"SELECT 1 FROM pg_locks WHERE NOT granted AND %d = ANY(pg_blocking_pids(pid))", pid);
	while (!has_rows(conn, sql) && !atomic_load(&waiting->is_done)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	assert_false(atomic_load(&waiting->is_done));
}

/* @param first  what the other one has done when this one comes; @param then  what it does while this one waits */
static void let_wait(struct world *world, const char *first, const char *then,
	struct waiting *waiting)
{
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	(void)has_rows(conn, "BEGIN");
	(void)has_rows(conn, first);
	pthread_t thread = thread_start("waiting", send_or_end, waiting);
	wait_for(conn, PQbackendPID(conn), waiting);
	(void)has_rows(conn, then);
	(void)has_rows(conn, "COMMIT");
	PQfinish(conn);
	(void)pthread_join(thread, NULL);
	assert_int_equal(waiting->err, ERR_OK);
}

/* Nothing of it is there for a device of the same name. @param sql  what the other one has done when this one comes */
static void assert_ends_with_its_device(struct world *world, const char *sql,
	struct waiting *waiting)
{
	struct to_device_row *rows;
	let_wait(world, sql, "", waiting);
	world_add_device(world, waiting->user_id, STR("PHONE"));
	assert_int_equal(next(world, waiting->user_id, 0, 10, &rows), 0);
}

static void to_device__sent_while_the_device_ends__never_there(void **state)
{
	struct world *world = *state;
	struct waiting sender = {.writer = start_writer(), .user_id = user_of(world, "tia")};
	assert_ends_with_its_device(world, "DELETE FROM devices WHERE user_id = '@tia:hs'", &sender);
	writer_destroy(sender.writer);
}

static void to_device__the_device_ends_while_one_is_sent__gone_with_it(void **state)
{
	struct world *world = *state;
	struct waiting ender = {.db = world_connect(1), .user_id = user_of(world, "ted")};
	assert_ends_with_its_device(world,
		"WITH held AS (SELECT user_id, device_id FROM devices WHERE user_id = '@ted:hs' FOR KEY SHARE) "
		"INSERT INTO device_messages (user_id, device_id, position, message) SELECT user_id, device_id, 1, 'm' FROM held",
		&ender);
	db_destroy(ender.db);
}

/* --- who holds several rows --------------------------------------------------------------------------------------- */

/* A sender holds devices by their names: LAPTOP, then PHONE, which lies before it in the table. */
static void devices__end_while_one_is_sent_to__held_in_one_order(void **state)
{
	struct world *world = *state;
	struct waiting ender = {.db = world_connect(1), .user_id = user_of(world, "ivy")};
	world_add_device(world, ender.user_id, STR("LAPTOP"));
	let_wait(world,
		"COMMIT; ANALYZE devices; BEGIN;"
		"SELECT 1 FROM devices WHERE user_id = '@ivy:hs' AND device_id = 'LAPTOP' FOR KEY SHARE",
		"SELECT 1 FROM devices WHERE user_id = '@ivy:hs' AND device_id = 'PHONE' FOR KEY SHARE NOWAIT",
		&ender);
	db_destroy(ender.db);
}

/* An upload holds counters by their algorithms: curve25519, then signed_curve25519, which lies before it in the table. */
static void device_keys__replaced_during_an_upload__counters_held_in_one_order(void **state)
{
	struct world *world = *state;
	struct waiting other = {.writer = start_writer(),
		.user_id = user_of(world, "una"),
		.is_another = true};
	assert_int_equal(
		IN_WRITE(world, other.writer,
			store_device_key_set(write, other.user_id, STR("PHONE"), STR("ed1"), STR("{1}"))),
		ERR_OK);
	let_wait(world,
		"INSERT INTO one_time_key_counters (user_id, device_id, algorithm)"
		" VALUES ('@una:hs', 'PHONE', 'signed_curve25519'), ('@una:hs', 'PHONE', 'curve25519');"
		"COMMIT; ANALYZE one_time_key_counters; BEGIN;"
		"SELECT 1 FROM one_time_key_counters WHERE user_id = '@una:hs' AND algorithm = 'curve25519' FOR NO KEY UPDATE",
		"SELECT 1 FROM one_time_key_counters WHERE user_id = '@una:hs' AND algorithm <> 'curve25519' FOR NO KEY UPDATE NOWAIT",
		&other);
	writer_destroy(other.writer);
}

/* Who ends devices holds them by their names: LAPTOP, then PHONE, whose identity is written before the message to LAPTOP. */
static void devices__end_while_one_has_its_keys_and_another_a_message__held_in_one_order(
	void **state)
{
	struct world *world = *state;
	struct waiting both = {.writer = start_writer(),
		.user_id = user_of(world, "zed"),
		.is_another = true,
		.too_to = STR("LAPTOP")};
	world_add_device(world, both.user_id, STR("LAPTOP"));
	let_wait(world,
		"SELECT 1 FROM devices WHERE user_id = '@zed:hs' AND device_id = 'LAPTOP' FOR UPDATE",
		"SELECT 1 FROM devices WHERE user_id = '@zed:hs' AND device_id = 'PHONE' FOR UPDATE NOWAIT",
		&both);
	writer_destroy(both.writer);
}

/* A user may have thousands of devices: what is written of one waits for no other. */
static void device_keys__another_device_is_held__written_at_once(void **state)
{
	struct world *world = *state;
	struct waiting one = {.writer = start_writer(),
		.user_id = user_of(world, "yan"),
		.is_another = true};
	world_add_device(world, one.user_id, STR("LAPTOP"));
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	(void)has_rows(conn,
		"BEGIN; SELECT 1 FROM devices WHERE user_id = '@yan:hs' AND device_id = 'LAPTOP' FOR UPDATE");
	(void)send_or_end(&one);
	assert_int_equal(one.err, ERR_OK);
	PQfinish(conn);
	writer_destroy(one.writer);
}

/* A claim holds counters by devices and algorithms, which lie in the table the other way round. */
static void devices__end_during_a_claim__counters_held_in_one_order(void **state)
{
	struct world *world = *state;
	struct waiting ender = {.db = world_connect(1), .user_id = user_of(world, "ugo")};
	world_add_device(world, ender.user_id, STR("LAPTOP"));
	let_wait(world,
		"INSERT INTO one_time_key_counters (user_id, device_id, algorithm)"
		" VALUES ('@ugo:hs', 'PHONE', 'curve25519'), ('@ugo:hs', 'LAPTOP', 'signed_curve25519'),"
		" ('@ugo:hs', 'LAPTOP', 'curve25519');"
		"COMMIT; ANALYZE devices; ANALYZE one_time_key_counters; BEGIN;"
		"SELECT 1 FROM one_time_key_counters"
		" WHERE user_id = '@ugo:hs' AND device_id = 'LAPTOP' AND algorithm = 'curve25519' FOR NO KEY UPDATE",
		"SELECT 1 FROM one_time_key_counters"
		" WHERE user_id = '@ugo:hs' AND NOT (device_id = 'LAPTOP' AND algorithm = 'curve25519')"
		" FOR NO KEY UPDATE NOWAIT",
		&ender);
	db_destroy(ender.db);
}

/* The first key of an algorithm comes while the devices' end waits for them: the end holds its counter before the one that it saw first. */
static void devices__end_while_a_counter_is_made__held_in_one_order(void **state)
{
	struct world *world = *state;
	struct waiting ender = {.db = world_connect(1), .user_id = user_of(world, "vic")};
	char *url = arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url));
	PGconn *uploader = PQconnectdb(url);
	PGconn *claimer = PQconnectdb(url);
	(void)has_rows(claimer,
		"INSERT INTO one_time_key_counters (user_id, device_id, algorithm)"
		" VALUES ('@vic:hs', 'PHONE', 'signed_curve25519')");
	(void)has_rows(claimer,
		"BEGIN; SELECT 1 FROM one_time_key_counters WHERE user_id = '@vic:hs' FOR NO KEY UPDATE");
	(void)has_rows(uploader,
		"BEGIN; SELECT 1 FROM devices WHERE user_id = '@vic:hs' FOR KEY SHARE");
	pthread_t thread = thread_start("waiting", send_or_end, &ender);
	wait_for(uploader, PQbackendPID(uploader), &ender);
	(void)has_rows(uploader,
		"INSERT INTO one_time_key_counters (user_id, device_id, algorithm)"
		" VALUES ('@vic:hs', 'PHONE', 'curve25519'); COMMIT");
	wait_for(uploader, PQbackendPID(claimer), &ender);
	assert_false(has_rows(uploader,
		"SELECT 1 FROM one_time_key_counters"
		" WHERE user_id = '@vic:hs' AND algorithm = 'curve25519' FOR NO KEY UPDATE SKIP LOCKED"));
	(void)has_rows(claimer, "COMMIT");
	(void)pthread_join(thread, NULL);
	assert_int_equal(ender.err, ERR_OK);
	PQfinish(claimer);
	PQfinish(uploader);
	db_destroy(ender.db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(device_keys__set_and_replaced__with_what_hung_on_them),
		TEST(device_keys__device_gone__missing_and_no_keys),
		TEST(cross_signing__account_ends__keys_and_signatures_gone),
		TEST(one_time_keys__claimed__the_oldest_and_never_again),
		TEST(fallback_key__used_up__again_and_again_and_told),
		TEST(claim__some_have_one_time_keys__each_gets_its_own),
		TEST(one_time_keys__claimed_by_many_at_once__each_key_once_and_none_empty),
		TEST(one_time_keys__connections_break__no_key_twice),
		TEST(to_device__sent__in_order_until_arrived_also_after_a_crash),
		TEST(key_backup__more_keys_than_it_may_have__none_of_them_put),
		TEST(to_device__too_many__the_newest_stay),
		TEST(to_device__sent_while_the_device_ends__never_there),
		TEST(to_device__the_device_ends_while_one_is_sent__gone_with_it),
		TEST(devices__end_while_one_is_sent_to__held_in_one_order),
		TEST(device_keys__replaced_during_an_upload__counters_held_in_one_order),
		TEST(devices__end_while_one_has_its_keys_and_another_a_message__held_in_one_order),
		TEST(device_keys__another_device_is_held__written_at_once),
		TEST(devices__end_during_a_claim__counters_held_in_one_order),
		TEST(devices__end_while_a_counter_is_made__held_in_one_order),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
