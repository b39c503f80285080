/*
 * What is read of the past of a room, of its members, and of the servers in it: what was asked for, however much there was; and that, of members, it
 * is what a walk over all of the past finds.
 */
#include <libpq-fe.h>
#include <string.h>

#include "storage/search.h"
#include "storage/state.h"
#include "storage/unread.h"
#include "tests/storage/world.h"

enum { ROWS_MOST = 24, PAGES_MOST = 60, HISTORIES = 60, STEPS_MOST = 40, ASKED_MOST = 6 };

static PGresult *run(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	assert_string_equal(PQresultErrorMessage(result), "");
	return result;
}

/* --- how much is read ---------------------------------------------------------------------------------------------- */

/*
 * Room 1. @often:own has joined and left 3,000 times, @seldom:own 3 times, both the last time at the end; their memberships are far enough apart that
 * the same questions meet all of @seldom's. @renamed:own joined once and has changed the name 3,000 times, @knocking:own left once and has knocked
 * 3,000 times. 500 others are in it, one of another server, and one who was before this server. 20,000 events, of whose texts every second one edits another; the topic and the encryption were set 3,000 times, the history is for members only. The server
 * often.other has come and gone 3,000 times, seldom.other 3 times; both are there. Each user has one more event at the end, and has left as far as
 * the list of members knows.
 */
static const char PAST[] =
	"INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)"
	" VALUES (1, '!1', '11', 1, 1, '[]', 60000, 1);"
	"INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)"
	" SELECT 1, 'm.room.member', user_id, begin + step * n, CASE WHEN n = last THEN 9223372036854775807 ELSE begin + step * (n + 1) END,"
	"  begin + step * n, '$' || user_id || n, CASE WHEN n = 1 OR odd = even THEN 'join' WHEN n % 2 = 1 THEN odd ELSE even END"
	" FROM (VALUES ('@often:own', 5, 10, 6000, 'join', 'leave'), ('@seldom:own', 5, 10000, 6, 'join', 'leave'),"
	"  ('@renamed:own', 6, 10, 6000, 'join', 'join'), ('@knocking:own', 7, 10, 6000, 'knock', 'leave'))"
	"  AS u(user_id, begin, step, last, odd, even), generate_series(1, last) AS n;"
	"INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership)"
	" SELECT 1, 'm.room.member', '@u' || n || CASE n WHEN 1 THEN ':few.other' ELSE ':own' END, n, n, '$u' || n, 'join'"
	" FROM generate_series(1, 500) AS n;"
	"INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership)"
	" VALUES (1, 'm.room.history_visibility', '', 3, 3, '$v', NULL),"
	" (1, 'm.room.member', '@early:few.other', -9223372036854775807, -1152921504606846978, '$e', 'join');"
	"INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id)"
	" SELECT 1, type, '', 3 * n, CASE WHEN n = 3000 THEN 9223372036854775807 ELSE 3 * n + 3 END, 3 * n, '$' || type || n"
	" FROM unnest('{m.room.topic,m.room.encryption}'::text[]) AS type, generate_series(1, 3000) AS n;"
	"INSERT INTO server_stays (room_nid, server, from_position, to_position)"
	" SELECT 1, server, step * n, CASE WHEN n = last THEN 9223372036854775807 ELSE step * n + step / 2 END"
	" FROM (VALUES ('often.other', 10, 3000), ('seldom.other', 10000, 3)) AS s(server, step, last), generate_series(1, last) AS n;"
	"INSERT INTO server_stays (room_nid, server, from_position)"
	" SELECT n, server, 1 FROM generate_series(1, 5000) AS n, unnest('{own,third.other}'::text[]) AS server WHERE n > 1 OR server = 'own';"
	"INSERT INTO events (room_nid, position, event_id, type, sender, origin_server_ts, depth, json, notify_seq, highlight_seq)"
	" SELECT 1, 3 * n, '$m' || n, 'm.room.message', '@u1:own', 1, 1, '{}', 0, 0 FROM generate_series(1, 20000) AS n;"
	"INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth, json, notify_seq, highlight_seq)"
	" SELECT 1, 70000 + length(user_id), '$left' || user_id, 'm.room.member', user_id, user_id, 1, 1, '{}', 0, 0"
	" FROM unnest('{@often:own,@seldom:own,@renamed:own,@knocking:own}'::text[]) AS user_id;"
	"INSERT INTO search_texts (room_nid, position, target_position, key, sender, origin_server_ts, has_url, terms)"
	" SELECT 1, 3 * n, 3 * n - n % 2 * 3, 0, '@u1:own', 1, false, 'a' FROM generate_series(1, 20000) AS n;"
	"INSERT INTO members (room_nid, user_id, membership, position, is_local)"
	" SELECT 1, user_id, 'leave', 60000, true FROM unnest('{@often:own,@seldom:own,@renamed:own,@knocking:own}'::text[]) AS user_id;"
	"INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)"
	" VALUES (1, '@u1:own', 'm.read', '', '$m1', 3, 1, 70100);"
	"ANALYZE rooms; ANALYZE states; ANALYZE events; ANALYZE members; ANALYZE receipts; ANALYZE server_stays; ANALYZE search_texts";

static const char *const people[] = {"@seldom:own", "@often:own", "@renamed:own", "@knocking:own"};

/* What is asked; @ is the user's id, # where the user's last event is. */
static const struct {
	int statement;
	const char *arguments;
} questions[] = {
	{STMT_STATE_VIEWER, "1, '@', '{30004, 30005, 30007, 40000, 59999}'"},
	{STMT_STATE_LAST_JOIN, "1, '@', 9223372036854775807"},
	{STMT_STATE_ONE_AT, "1, 'm.room.member', '@', 59999"},
	{STMT_STATE_WITHOUT_MEMBERS, "1, 59999, '{@, @u3:own}'"},
	{STMT_STATE_CHANGES, "1, 29995, 30000"},
	{STMT_STATE_VIEWER_SERVER, "1, 'few.other'"},
	{STMT_STATE_CLOSE, "'{1}', '{m.room.member}', '{@}', '{70000}'"},
	{STMT_UNREAD_LOAD, "1, '@', 100"},
	{STMT_MEMBER_THROWN_OUT, "'@', 70000, 10, 100, false"},
	{STMT_MEMBER_THROWN_OUT, "'@', 70000, 10, 100, true"},
	{STMT_SEARCH_FORGET, "'{1}', '{30000}'"},
	{STMT_SEARCH_REMOVE, "'{1}', '{30000}'"},
	{STMT_SEARCH_SUPERSEDE, "'{1}', '{30000}'"},
	{STMT_SEARCH_SCOPE, "'{1}', '@'"},
	{STMT_SEARCH_MEMBERSHIPS, "'{1}', '@', 20"},
	{STMT_SEARCH_ENCRYPTED, "'{1}'"},
	{STMT_DIRECTORY_MEMBERS_UNKNOWN, "'{1}', 200"},
	{STMT_DIRECTORY_STATES, "'{1}', '{m.room.topic, m.room.name}'"},
	{STMT_APPSERVICE_LOOK, "# - 1, #, 10"},
	{STMT_APPSERVICE_MEMBERS, "'{1}', 59999, 'few.other'"},
	{STMT_OUTBOX_LOOK, "# - 1, #, 10, 'own'"},
	{STMT_OUTBOX_LOOK, "# - 1, #, 10, 'often.other'"},
	{STMT_OUTBOX_TARGETS, "# - 1, #, 'own'"},
	{STMT_OUTBOX_RECEIPTS, "70099, 70100, 'own'"},
	{STMT_OUTBOX_ROOMS, "'{1}', 'own'"},
	{STMT_OUTBOX_NEWEST, "'often.other', '{1}', '{59980}', 3, 'own'"},
	{STMT_OUTBOX_STAYS_SYNC, "1, 59999, 'own'"},
	{STMT_OUTBOX_STAYS_CLOSE, "1, 'often.other', 70000"},
};

static long rows_read(PGconn *conn)
{
	PGresult *result = run(conn,
		"SELECT sum(seq_tup_read + idx_tup_fetch + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))"
		" FROM pg_index WHERE indrelid = relid)) FROM pg_stat_xact_user_tables WHERE relname IN ('states', 'server_stays', 'search_texts')");
	long count = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return count;
}

/* Asks, changes nothing. Returns how many pages were looked at: what an index is walked through without being given out counts among rows nowhere. */
static long ask(struct world *world, PGconn *conn, size_t i, const char *user)
{
	const char *question = arena_printf(world->ctx.arena,
		"SELECT 'EXPLAIN (ANALYZE, BUFFERS) EXECUTE question_%zu ('"
		" || replace(replace($q$%s$q$, '@', '%s'), '#', (70000 + length('%s'))::text) || ')'",
		i, questions[i].arguments, user, user);
	PGresult *text = run(conn, question);
	PQclear(run(conn, "SAVEPOINT before"));
	PGresult *plan = run(conn, PQgetvalue(text, 0, 0));
	PQclear(run(conn, "ROLLBACK TO before"));
	PQclear(text);
	long pages = -1;
	for (int row = 0; row < PQntuples(plan) && pages < 0; row++) {
		const char *hit = strstr(PQgetvalue(plan, row, 0), "Buffers: shared hit=");
		pages = hit != NULL ? strtol(strchr(hit, '=') + 1, NULL, 10) : -1;
	}
	PQclear(plan);
	return pages;
}

static bool is_bounded(struct world *world, PGconn *conn, size_t i, const char *user)
{
	long before = rows_read(conn);
	long pages = ask(world, conn, i, user);
	long read = rows_read(conn) - before;
	bool is_well = read >= 1 && read <= 2L * ROWS_MOST && pages >= 1 && pages <= PAGES_MOST;
	if (!is_well) {
		print_error("%s (%s): %ld rows and entries, %ld pages read for %s\n",
			stmt_table[questions[i].statement].name, questions[i].arguments, read, pages, user);
	}
	return is_well;
}

static void past__came_and_went_3000_times__reads_what_is_asked_for(void **state)
{
	struct world *world = *state;
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	PQclear(run(conn, "BEGIN")); /* other tests of this database see none of it */
	PQclear(run(conn, PAST));
	static const char *const modes[] = {"force_generic_plan", "force_custom_plan"};
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		PQclear(run(conn,
			arena_printf(world->ctx.arena, "PREPARE question_%zu AS %s", i,
				stmt_table[questions[i].statement].sql)));
	}
	size_t unbounded_n = 0;
	for (size_t mode = 0; mode < COUNT_OF(modes); mode++) {
		PQclear(run(conn,
			arena_printf(world->ctx.arena, "SET LOCAL plan_cache_mode = %s", modes[mode])));
		for (size_t i = 0; i < COUNT_OF(questions) * COUNT_OF(people); i++) {
			const char *user = people[i % COUNT_OF(people)];
			unbounded_n += is_bounded(world, conn, i / COUNT_OF(people), user) ? 0 : 1;
		}
	}
	PQfinish(conn);
	assert_int_equal(unbounded_n, 0);
}

/* --- what is found ------------------------------------------------------------------------------------------------- */

struct step {
	int64_t from, to;
	const char *membership;
};

/* A user's past in room 2, which no other test knows. */
struct past {
	struct step steps[STEPS_MOST];
	size_t n;
};

static const struct str user_id = STR_INIT("@random:own");

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005U + 1442695040888963407U;
	return *seed >> 33;
}

/* Every membership may follow on every other, also the same; some ends are not the next beginning. */
static struct past make_past(struct world *world, PGconn *conn, uint64_t *seed)
{
	static const char *const words[] = {"join", "join", "leave", "invite", "ban", "knock"};
	struct past past = {.n = next_random(seed) % STEPS_MOST};
	int64_t position = (int64_t)(next_random(seed) % 5) - 2;
	PQclear(run(conn, "DELETE FROM states WHERE room_nid = 2"));
	for (size_t i = 0; i < past.n; i++) {
		struct step *step = &past.steps[i];
		step->from = position;
		step->to = position + 1 + (int64_t)(next_random(seed) % 4);
		step->membership = words[next_random(seed) % COUNT_OF(words)];
		position = step->to + (next_random(seed) % 8 == 0 ? 2 : 0);
		if (i + 1 == past.n && next_random(seed) % 4 != 0) {
			step->to = INT64_MAX;
		}
		PQclear(run(conn,
			arena_printf(world->ctx.arena,
				"INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)"
				" VALUES (2, 'm.room.member', '@random:own', %lld, %lld, 1, '$', '%s')",
				(long long)step->from, (long long)step->to, step->membership)));
	}
	return past;
}

/* The step in which a position lies; only_joins: the last join up to it. NULL: there is none. */
static const struct step *find(const struct past *past, int64_t position, bool only_joins)
{
	const struct step *found = NULL;
	for (size_t i = 0; i < past->n && past->steps[i].from <= position; i++) {
		bool is_wanted = !only_joins || strcmp(past->steps[i].membership, "join") == 0;
		found = is_wanted ? &past->steps[i] : found;
	}
	return found;
}

static bool has(const struct state_row *rows, size_t count, const struct step *step)
{
	for (size_t i = 0; i < count; i++) {
		if (step != NULL && rows[i].from_position == step->from) {
			assert_int_equal(rows[i].to_position, step->to);
			assert_true(str_equals(rows[i].membership, str_of(step->membership)));
			return true;
		}
	}
	return step == NULL;
}

static void check_viewer(struct world *world, const struct past *past, uint64_t *seed)
{
	int64_t asked[ASKED_MOST];
	struct state_row *rows;
	size_t count;
	size_t n = 1 + next_random(seed) % ASKED_MOST;
	size_t wanted = 0;
	for (size_t i = 0; i < n; i++) {
		asked[i] = (int64_t)(next_random(seed) % (3UL * STEPS_MOST)) - 5;
	}
	assert_int_equal(
		store_state_viewer(&world->ctx, world->db, 2, user_id, asked, n, &rows, &count), ERR_OK);
	for (size_t i = 0; i < n; i++) {
		assert_true(has(rows, count, find(past, asked[i], false)));
		wanted += find(past, asked[i], false) != NULL ? 1 : 0;
	}
	const struct step *last_join = find(past, INT64_MAX, true);
	assert_true(has(rows, count, last_join));
	assert_true(count <= wanted + (last_join != NULL ? 1 : 0));
	for (size_t i = 1; i < count; i++) {
		assert_true(rows[i - 1].from_position <= rows[i].from_position);
	}
}

static void check_at(struct world *world, const struct past *past, int64_t position)
{
	const struct str member = STR("m.room.member");
	struct state_row row;
	struct state_row *rows;
	size_t count;
	const struct step *step = find(past, position, true);
	enum err err = store_state_last_join(&world->ctx, world->db, 2, user_id, position, &row);
	assert_int_equal(err, step != NULL ? ERR_OK : ERR_MISSING);
	assert_true(err != ERR_OK || has(&row, 1, step));
	step = find(past, position, false);
	bool holds = step != NULL && step->to > position;
	err = store_state_one_at(&world->ctx, world->db, 2, member, user_id, position, &row);
	assert_int_equal(err, holds ? ERR_OK : ERR_MISSING);
	assert_true(err != ERR_OK || (holds && row.from_position == step->from));
	const struct str users[] = {STR("@nobody:own"), user_id, user_id};
	assert_int_equal(store_state_without_members(&world->ctx, world->db, 2, position, users,
						 COUNT_OF(users), &rows, &count),
		ERR_OK);
	assert_int_equal(count, holds ? 1 : 0);
	assert_true(count == 0 || (holds && rows[0].from_position == step->from));
}

/* Since when the user is joined: the end of what was last no join, else the beginning of all. */
static void check_unread(struct world *world, const struct past *past)
{
	int64_t since = past->n > 0 ? past->steps[0].from : 0;
	struct unread_row unread;
	for (size_t i = 0; i < past->n; i++) {
		since = strcmp(past->steps[i].membership, "join") != 0 ? past->steps[i].to : since;
	}
	assert_int_equal(store_unread(&world->ctx, world->db, 2, user_id, &unread), ERR_OK);
	assert_int_equal(unread.read_position, since);
}

static void check_search(struct world *world, const struct past *past)
{
	const int64_t room = 2;
	struct search_scope_row *rows;
	size_t count;
	const struct step *stay = find(past, INT64_MAX, true);
	bool is_over = stay != NULL && stay->to != INT64_MAX;
	assert_int_equal(store_search_scope(&world->ctx, world->db, &room, 1, user_id, &rows, &count),
		ERR_OK);
	assert_int_equal(count, (stay != NULL ? 1 : 0) + (is_over ? 1 : 0));
	assert_true(stay == NULL ||
		(rows[0].from_position == stay->from && str_equals(rows[0].membership, STR("join"))));
	assert_true(!is_over ||
		(rows[1].from_position == stay->to && !str_equals(rows[1].membership, STR("join"))));
	assert_int_equal(
		store_search_memberships(&world->ctx, world->db, &room, 1, user_id, 10, &rows, &count),
		ERR_OK);
	assert_int_equal(count, MIN_OF(past->n, 10));
	for (size_t i = 0; i < count; i++) {
		assert_true(rows[i].from_position >= past->steps[past->n - count].from);
	}
}

static void past__random__as_a_walk_over_all_of_it(void **state)
{
	struct world *world = *state;
	uint64_t seed = 7;
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	PQclear(run(conn,
		"INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position, created_at_ms)"
		" VALUES (2, '!2', '11', 1, 1, '[]', 1, 1)"));
	for (size_t i = 0; i < HISTORIES; i++) {
		const struct past past = make_past(world, conn, &seed);
		for (size_t k = 0; k < 8; k++) {
			check_viewer(world, &past, &seed);
			check_at(world, &past, (int64_t)(next_random(&seed) % (3UL * STEPS_MOST)) - 5);
		}
		check_at(world, &past, INT64_MAX - 1);
		check_unread(world, &past);
		check_search(world, &past);
	}
	PQclear(
		run(conn, "DELETE FROM states WHERE room_nid = 2; DELETE FROM rooms WHERE room_nid = 2"));
	PQfinish(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(past__came_and_went_3000_times__reads_what_is_asked_for),
		TEST(past__random__as_a_walk_over_all_of_it),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
