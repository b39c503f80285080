/*
 * Rooms on a real PostgreSQL: many threads change the same rooms, while connections are killed and rooms put away. Afterwards
 * what is stored has to be whole (the chain of events, the intervals of state, the running counts), what was acknowledged has
 * to be there once, and memory has to say what the database says.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "homeserver/room/room.h"
#include "homeserver/user/users.h"
#include "tests/sim/bare_rooms.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

enum { SENDERS = 6, STEPS = 60, ROOMS = 2, USERS = 3, TURNS = 4 };

static atomic_int redacted_n;

/* --- what has to hold ------------------------------------------------------------------------------------------ */

static void check_stored(struct str room_id)
{
	static const char *const nothing[] = {
		/* every event counted, each on top of the one before */
		"SELECT count(*) FROM rooms r WHERE room_id = $1 AND event_seq <> "
		"(SELECT count(*) FROM events e WHERE e.room_nid = r.room_nid)",
		"SELECT count(*) FROM (SELECT json::jsonb AS json, e.depth, "
		"lag(event_id) OVER w AS before, lag(e.depth) OVER w AS depth_before "
		"FROM events e JOIN rooms USING (room_nid) WHERE room_id = $1 WINDOW w AS (ORDER BY position)) AS e "
		"WHERE before IS NOT NULL AND (json->'prev_events' <> jsonb_build_array(before) OR "
		"depth <> depth_before + 1)",
		/* intervals of state follow each other, the last is open */
		"SELECT count(*) FROM (SELECT *, lead(from_position) OVER "
		"(PARTITION BY type, state_key ORDER BY from_position) AS next "
		"FROM states JOIN rooms USING (room_nid) WHERE room_id = $1) AS s "
		"WHERE to_position <> coalesce(next, 9223372036854775807)",
		"SELECT count(*) FROM (SELECT replaces_position, lag(position) OVER "
		"(PARTITION BY type, state_key ORDER BY position) AS before "
		"FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 AND state_key IS NOT NULL) AS e "
		"WHERE replaces_position IS DISTINCT FROM before",
		"SELECT count(*) FROM members m JOIN rooms USING (room_nid) WHERE room_id = $1 AND membership <> "
		"(SELECT s.membership FROM states s WHERE s.room_nid = m.room_nid AND type = 'm.room.member' AND "
		"state_key = m.user_id AND to_position = 9223372036854775807)",
		/* running counts, of threads and outside them */
		"SELECT count(*) FROM (SELECT e.notify_seq, count(*) FILTER (WHERE type = 'm.room.message') OVER "
		"(PARTITION BY thread_root ORDER BY position) AS counted "
		"FROM events e JOIN rooms USING (room_nid) WHERE room_id = $1) AS e WHERE notify_seq <> counted",
		/* a redacted event shows nothing */
		"SELECT count(*) FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 AND "
		"redacted_by IS NOT NULL AND json LIKE '%secret%'",
		"SELECT count(*) FROM transactions t WHERE $1::text IS NOT NULL AND NOT EXISTS "
		"(SELECT 1 FROM events e WHERE e.event_id = t.event_id)",
	};
	for (size_t i = 0; i < COUNT_OF(nothing); i++) {
		int64_t found = ask_number(room_id, nothing[i]);
		if (found != 0) {
			print_error("%lld rows: %s\n", (long long)found, nothing[i]);
		}
		assert_int_equal(found, 0);
	}
}

/* What the room's memory says is what is stored: the newest events, and the state with its events. */
static void check_memory(struct str room_id)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(rooms_get(&ctx, &hs, room_id, &room), ERR_OK);
	struct timeline timeline;
	assert_int_equal(room_timeline(&ctx, &hs, room, 0, POSITION_NOW, true, 40, &timeline), ERR_OK);
	assert_int_equal(timeline.n, 40);
	struct event_row *rows;
	size_t count;
	assert_int_equal(store_events_between(&ctx, hs.db,
						 &(struct event_span){.room_nid = room_nid(room),
							 .up_to = INT64_MAX,
							 .is_backwards = true,
							 .limit = 40},
						 &rows, &count),
		ERR_OK);
	for (size_t i = 0; i < count; i++) {
		const struct stored_event *event = timeline.events[i];
		assert_int_equal(event->position, rows[i].position);
		assert_int_equal(event->redacted_by, rows[i].redacted_by);
		assert_true(str_equals(event->event->raw, rows[i].json));
		assert_int_equal(event->notify_seq, rows[i].notify_seq);
	}
	assert_int_equal(room_last_position(room), rows[0].position);
	const struct state_query query = {0};
	struct state_item *items;
	assert_int_equal(room_state_list(&ctx, &hs, room, POSITION_NOW, &query, &items, &count),
		ERR_OK);
	for (size_t i = 0; i < count; i++) {
		const struct event_row *row;
		struct event_row *found;
		size_t found_n;
		assert_int_equal(store_events_by_position(&ctx, hs.db, room_nid(room),
							 &items[i].event_position, 1, &found, &found_n),
			ERR_OK);
		assert_int_equal(found_n, 1);
		row = &found[0];
		assert_true(str_equals(items[i].event->event->raw, row->json));
	}
	assert_int_equal((int64_t)count,
		ask_number(room_id,
			"SELECT count(*) FROM states JOIN rooms USING (room_nid) WHERE room_id = $1 AND "
			"to_position = 9223372036854775807"));
}

/* --- many threads ----------------------------------------------------------------------------------------------- */

struct sender {
	struct str room_ids[ROOMS];
	int number;
	atomic_int *acknowledged;
	bool expects_success;
};

/* What was redacted shows nothing any more, wherever it is asked for. */
static enum err check_redacted(struct ctx *ctx, struct room *room, const struct stored_event *event)
{
	struct stored_event *by_id;
	struct stored_event *by_position;
	TRY(room_event(ctx, &hs, room, event->event->event_id.s, &by_id));
	TRY(room_event_at(ctx, &hs, room, event->position, &by_position));
	assert_false(str_contains(by_id->client_members, STR("secret")));
	assert_false(str_contains(by_position->client_members, STR("secret")));
	assert_true(by_id->redacted_by != 0 && by_position->redacted_by != 0);
	atomic_fetch_add(&redacted_n, 1);
	return ERR_OK;
}

static enum err send_redacted(struct ctx *ctx, struct room *room, int user, bool is_state)
{
	struct room_intent intent = {.sender = user_of(ctx->arena, user),
		.type = is_state ? STR("org.example.state") : STR("org.example.message"),
		.is_state = is_state,
		.state_key = is_state ? user_of(ctx->arena, user).s : str_from(NULL, 0),
		.content = content_of(ctx->arena, "{\"body\":\"secret\"}")};
	struct stored_event *event;
	TRY(room_add(ctx, &hs, room, &intent, 1, &event));
	TRY(redact(ctx, room, user, event->event->event_id.s));
	return check_redacted(ctx, room, event);
}

static enum err send_threaded(struct ctx *ctx, struct room *room, int user, int64_t txn)
{
	struct stored_event *root;
	struct room_intent intent =
		message_intent(ctx->arena, user, "{\"msgtype\":\"m.text\",\"body\":\"root\"}", txn);
	TRY(room_add(ctx, &hs, room, &intent, 1, &root));
	const char *content = arena_printf(ctx->arena,
		"{\"msgtype\":\"m.text\",\"body\":\"reply\",\"m.relates_to\":{\"rel_type\":\"m.thread\","
		"\"event_id\":\"%.*s\"}}",
		STR_ARG(root->event->event_id.s));
	for (int i = 1; i <= 3; i++) {
		struct stored_event *reply;
		intent = message_intent(ctx->arena, user, content, txn + i);
		TRY(room_add(ctx, &hs, room, &intent, 1, &reply));
		assert_true(str_equals(reply->thread_root, root->event->event_id.s));
		assert_int_equal(reply->notify_seq, i);
	}
	return ERR_OK;
}

static enum err step(struct ctx *ctx, struct sender *sender, int i)
{
	struct room *room;
	TRY(rooms_get(ctx, &hs, sender->room_ids[i % ROOMS], &room));
	int user = sender->number % USERS;
	/* Two senders share each transaction id: it makes one event. */
	int64_t txn = (int64_t)sender->number / 2 * 100000 + (int64_t)i * 10;
	struct room_intent intent;
	switch (i % 6) {
	case 0:
		return send_redacted(ctx, room, user, true);
	case 1:
		return send_redacted(ctx, room, user, false);
	case 2:
		return send_threaded(ctx, room, user,
			10000000 + (int64_t)sender->number * 100000 + (int64_t)i * 10);
	default:
		intent =
			message_intent(ctx->arena, user, "{\"msgtype\":\"m.text\",\"body\":\"hello\"}", txn);
		intent.sender = user_of(ctx->arena, 0);
		return room_add(ctx, &hs, room, &intent, 1, NULL);
	}
}

static void *send_many(void *data)
{
	struct sender *sender = data;
	for (int i = 0; i < STEPS; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		enum err err = step(&ctx, sender, i);
		if (err == ERR_OK) {
			atomic_fetch_add(sender->acknowledged, 1);
		} else if (sender->expects_success) {
			print_error("%s: %.*s %.*s\n", err_name(err), STR_ARG(ctx.fault.text),
				STR_ARG(ctx.fault.cause));
		}
	}
	return NULL;
}

static void make_rooms(struct arena *arena, struct str *room_ids)
{
	static const char *const versions[ROOMS] = {"11", "12"};
	struct ctx ctx;
	ctx_init(&ctx, arena);
	for (int i = 0; i < ROOMS; i++) {
		struct room *room;
		assert_int_equal(make_room(&ctx, versions[i], NULL, &room), ERR_OK);
		for (int user = 1; user < USERS; user++) {
			assert_int_equal(join(&ctx, room, user), ERR_OK);
		}
		room_ids[i] = str_dup(arena, room_id_of(room).s);
	}
}

/* @return how many steps were acknowledged */
static int run_senders(const struct str *room_ids, bool expects_success, atomic_bool *is_over)
{
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	atomic_int acknowledged = 0;
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){.number = i,
			.acknowledged = &acknowledged,
			.expects_success = expects_success};
		memcpy(senders[i].room_ids, room_ids, sizeof(senders[i].room_ids));
		threads[i] = thread_start("sender", send_many, &senders[i]);
	}
	for (int i = 0; i < SENDERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	atomic_store(is_over, true);
	return atomic_load(&acknowledged);
}

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000L};
	(void)nanosleep(&pause, NULL);
}

/* Puts everything away all the time, and loads users. */
static void *tidy(void *data)
{
	atomic_bool *is_over = data;
	while (!atomic_load(is_over)) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		struct user *user;
		if (users_get(&ctx, &hs, user_of(arena, 1).s, &user) == ERR_OK) {
			struct user_room *list;
			size_t count;
			user_rooms(user, arena, &list, &count);
			assert_true(count >= ROOMS);
		}
		rooms_tidy(hs.rooms, INT64_MAX);
		users_tidy(hs.users, -1000);
		pause_ms(1);
	}
	return NULL;
}

static void *kill_backends(void *data)
{
	atomic_bool *is_over = data;
	while (!atomic_load(is_over)) {
		pause_ms(20);
		(void)ask_number(STR("x"),
			"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
			"WHERE $1::text IS NOT NULL AND application_name = 'belfry'");
	}
	return NULL;
}

static void rooms__many_threads__whole_and_each_once(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str room_ids[ROOMS];
	make_rooms(arena, room_ids);
	atomic_bool is_over = false;
	pthread_t tidier = thread_start("tidy", tidy, &is_over);
	int acknowledged = run_senders(room_ids, true, &is_over);
	(void)pthread_join(tidier, NULL);
	assert_int_equal(acknowledged, SENDERS * STEPS);
	int64_t plain = 0;
	for (int i = 0; i < ROOMS; i++) {
		check_stored(room_ids[i]);
		check_memory(room_ids[i]);
		plain += ask_number(room_ids[i],
			"SELECT count(*) FROM events JOIN rooms USING (room_nid) WHERE room_id = $1 AND "
			"json LIKE '%hello%'");
	}
	assert_int_equal(plain, SENDERS / 2 * STEPS / 2);
	assert_true(atomic_load(&redacted_n) > 0);
}

static void rooms__connections_killed__stored_is_whole(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str room_ids[ROOMS];
	make_rooms(arena, room_ids);
	(void)ask_number(STR("x"),
		"WITH d AS (DELETE FROM transactions RETURNING 1) "
		"SELECT count(*) FROM d WHERE $1::text IS NOT NULL");
	atomic_bool is_over = false;
	pthread_t killer = thread_start("killer", kill_backends, &is_over);
	int acknowledged = run_senders(room_ids, false, &is_over);
	(void)pthread_join(killer, NULL);
	assert_true(acknowledged > 0);
	for (int i = 0; i < ROOMS; i++) {
		check_stored(room_ids[i]);
		check_memory(room_ids[i]);
	}
}

/* --- the turn ----------------------------------------------------------------------------------------------------- */

/* A connection that has the row without which nothing is committed. */
static PGconn *hold_commits(void)
{
	char *database = mem_dup(url.p, url.n);
	PGconn *conn = PQconnectdb(database);
	PQclear(PQexec(conn, "BEGIN"));
	PGresult *result = PQexec(conn, "SELECT 1 FROM stream_head FOR UPDATE");
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	PQclear(result);
	mem_free(database);
	return conn;
}

struct saying {
	struct room *room;
	int64_t txn;
	enum err err;
};

static void *say(void *data)
{
	struct saying *saying = data;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	const struct room_intent intent =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"turn\"}", saying->txn);
	saying->err = room_add(&ctx, &hs, saying->room, &intent, 1, NULL);
	return NULL;
}

/* Waits until a write is under way; what is in memory is no longer true then. */
static void make_stale_while_pending(struct room *room)
{
	bool is_pending = false;
	while (!is_pending) {
		pause_ms(1);
		lock_take(&room->lock);
		is_pending = room->pending > 0;
		room->is_stale = is_pending;
		lock_give(&room->lock);
	}
}

static void room_turn__waits_for_a_write_to_end__goes_on_then(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct saying sayings[TURNS];
	pthread_t threads[TURNS];
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	PGconn *holder = hold_commits();
	for (int i = 0; i < TURNS; i++) {
		sayings[i] = (struct saying){.room = room, .txn = 79500000 + i};
		threads[i] = thread_start("sayer", say, &sayings[i]);
		if (i == 0) {
			make_stale_while_pending(room);
		}
	}
	pause_ms(100); /* all but the first wait for it */
	PQfinish(holder);
	for (int i = 0; i < TURNS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_int_equal(sayings[i].err, ERR_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(rooms__many_threads__whole_and_each_once),
		SERVER_TEST(rooms__connections_killed__stored_is_whole),
		SERVER_TEST(room_turn__waits_for_a_write_to_end__goes_on_then),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
