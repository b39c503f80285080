/**
 * What the tests of one-time keys share: uploads and claims of keys that are called by a letter and a number, who waits for whom, and what has to be true of
 * the tables after each test. All static: each test file is a program of its own.
 */
#ifndef BELFRY_TESTS_STORAGE_ONE_TIME_KEYS_H
#define BELFRY_TESTS_STORAGE_ONE_TIME_KEYS_H

#include "storage/one_time_key.h"

#include "base/lock.h"
#include "storage/device.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <string.h>

#define CURVE STR("signed_curve25519")
#define OTHER STR("curve25519")
#define PHONE STR("PHONE")

enum { KEYS_MOST = 500, REMEMBERED = 1000 };

MAYBE_UNUSED static struct str user_of(struct world *world, const char *name)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, PHONE);
	return user_id;
}

/* A key that is a text as it stands. */
MAYBE_UNUSED static struct key_entry text_entry(struct str id, struct str text)
{
	return (struct key_entry){.id = id, .content = text, .is_text = true};
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
MAYBE_UNUSED static enum err add_if(struct ctx *ctx, struct db *db, struct str user_id,
	const struct keys *keys, size_t n, const struct key_addition *condition, struct keys_added *out)
{
	struct str algorithms[KEYS_MOST];
	struct key_entry entries[KEYS_MOST];
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < keys[i].count; k++, count++) {
			algorithms[count] = keys[i].algorithm;
			struct str id = str_printf(ctx->arena, "%c%03d", keys[i].letter, keys[i].first + k);
			entries[count] =
				text_entry(id, str_printf(ctx->arena, "\"%s%.*s\"", keys[i].content, STR_ARG(id)));
		}
	}
	struct key_addition addition = *condition;
	addition.upload = (struct key_upload){user_id, PHONE, algorithms, entries, count};
	return store_one_time_key_add(ctx, db, &addition, out);
}

MAYBE_UNUSED static enum err add_by(struct ctx *ctx, struct db *db, struct str user_id,
	const struct keys *keys, size_t n, int64_t remembered)
{
	const struct key_addition condition = {.held_max = REMEMBERED, .remembered = remembered};
	struct keys_added added;
	enum err err = add_if(ctx, db, user_id, keys, n, &condition, &added);
	return err == ERR_OK && added.outcome != KEYS_ADDED ? ERR_LIMIT : err;
}

MAYBE_UNUSED static enum err add(struct world *world, struct str user_id, struct keys keys)
{
	return add_by(&world->ctx, world->db, user_id, &keys, 1, REMEMBERED);
}

MAYBE_UNUSED static int64_t left(struct world *world, struct str user_id, struct str algorithm)
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
MAYBE_UNUSED static size_t claim(struct world *world, struct str user_id, struct str algorithm,
	size_t count, struct str *out)
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

MAYBE_UNUSED static struct str claim_one(struct world *world, struct str user_id,
	struct str algorithm)
{
	struct str id;
	(void)claim(world, user_id, algorithm, 1, &id);
	return id;
}

#define ASSERT_ID(found, wanted) assert_true(str_equals((found), STR(wanted)))

MAYBE_UNUSED static void run_sql(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_string_equal(PQresultErrorMessage(result), "");
	PQclear(result);
}

MAYBE_UNUSED static void assert_left(const struct keys_added *added, size_t i, struct str algorithm,
	int64_t count)
{
	assert_true(i < added->left_n && str_equals(added->left[i].algorithm, algorithm));
	assert_int_equal(added->left[i].count, count);
}

struct uploader {
	struct db *db;
	struct str user_id;
	struct keys keys[2];
	struct keys_added added;
	enum err err;
	atomic_bool is_done;
};

MAYBE_UNUSED static bool is_waited_for(PGconn *conn)
{
	PGresult *result = PQexec(conn, "SELECT 1 FROM pg_locks WHERE NOT granted");
	bool is_waited = PQntuples(result) > 0;
	PQclear(result);
	return is_waited;
}

/* In a transaction that is left open: of the device's keys all are given out, and another comes. */
MAYBE_UNUSED static PGconn *upload_and_wait(struct world *world)
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

MAYBE_UNUSED static void commit_once_waited_for(PGconn *conn, const atomic_bool *is_done)
{
	while (!is_waited_for(conn) && !atomic_load(is_done)) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	assert_false(atomic_load(is_done));
	run_sql(conn, "COMMIT");
	PQfinish(conn);
}

/* What no constraint of the table says: it would be read in each statement. */
MAYBE_UNUSED static const char WRONG[] =
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

MAYBE_UNUSED static int tear_down(void **state)
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

#endif
