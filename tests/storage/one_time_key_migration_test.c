/*
 * How one-time keys of before came into batches.
 */
#include "tests/storage/one_time_keys.h"

#include "gen/embedded_migrations.h"

enum {
	BATCHES_MIGRATION = 62,
	ENTRIES_MIGRATION = 67,
	RANKS_MIGRATION = 68,
	COUNTERS_MIGRATION = 69
};

/* A key as clients send them. */
#define SIGNED_BEFORE \
	"{\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"signatures\":{\"@ida:hs\":{\"ed25519:PHONE\":" \
	"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}}"

static const char BEFORE[] =
	"CREATE SCHEMA before; SET search_path = before, public;"
	"CREATE TABLE one_time_keys (user_id text NOT NULL, device_id text NOT NULL, algorithm text NOT NULL, key_id text NOT NULL,"
	" key text NOT NULL, is_claimed boolean NOT NULL DEFAULT false, seq bigint GENERATED ALWAYS AS IDENTITY);"
	/* Ids go down, so that their order is not that of the upload; 130 were given. */
	"INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, is_claimed)"
	" SELECT '@ida:hs', 'PHONE', 'signed_curve25519', 'k' || 999 - n, '\"k' || 999 - n || '\"', n <= 130 FROM generate_series(1, 300) AS n;"
	"INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, is_claimed)"
	" VALUES ('@ida:hs', 'PHONE', 'curve25519', 'o1', '\"o1\"', true), ('@ida:hs', 'PHONE', 'curve25519', 'o2', '\"o2\"', false),"
	" ('@ida:hs', 'PHONE', 'signed_curve25519', 's1', '" SIGNED_BEFORE "', true);";

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

/* As a client sends it again whose answer was lost: what is stored as a text is uploaded as key and signature. */
static enum err add_signed(struct world *world, struct str user_id)
{
	const struct str algorithm = CURVE;
	struct key_frame frame = key_frame_of(world->ctx.arena, user_id, PHONE);
	struct key_entry entry = key_entry_of(world->ctx.arena, &frame, STR("s1"), STR(SIGNED_BEFORE));
	const struct key_addition addition = {.upload = {user_id, PHONE, &algorithm, &entry, 1},
		.held_max = KEYS_MOST,
		.remembered = REMEMBERED};
	struct keys_added added;
	assert_false(entry.is_text);
	return store_one_time_key_add(&world->ctx, world->db, &addition, &added);
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
	assert_int_equal(add_signed(world, ida), ERR_OK);
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
	struct key_frame frame = key_frame_of(world->ctx.arena, jo, PHONE);
	/* What is there is known, given or not: another text of the same name is refused, the same adds nothing. */
	for (int i = 0; i < PQntuples(keys); i++) {
		struct str algorithms[] = {CURVE};
		struct str id = str_of(PQgetvalue(keys, i, 0));
		const struct key_entry entries[] = {
			key_entry_of(world->ctx.arena, &frame, id, str_of(PQgetvalue(keys, i, 1))),
			text_entry(id, STR("\"other\""))};
		struct keys_added added;
		for (int k = 0; k < 2; k++) {
			const struct key_addition addition = {.upload = {jo, PHONE, algorithms, &entries[k], 1},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEY_TEST(migration__keys_of_before__go_on_in_order),
		KEY_TEST(migration__batches_partly_given__go_on_behind_what_was_given),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
