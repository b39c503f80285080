/*
 * Rooms on a real PostgreSQL: many threads change the same rooms, while connections are killed and rooms put away. Afterwards
 * what is stored has to be whole (the chain of events, the intervals of state, the running counts), what was acknowledged has
 * to be there once, and memory has to say what the database says.
 */
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "homeserver/room/room.h"
#include "homeserver/room/rooms.h"
#include "homeserver/user/users.h"
#include "storage/room.h"
#include "tests/sim/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { SENDERS = 6, STEPS = 60, ROOMS = 2, USERS = 3, CREATORS = 6, ROOMS_EACH = 90, TURNS = 4 };

/* Messages, so that what was before them is read by itself. */
enum { BEYOND_RECENT = 60 };

static struct homeserver hs;
static struct str url;
static atomic_int redacted_n;

/* --- a homeserver without HTTP ---------------------------------------------------------------------------- */

static void start(void)
{
	bare_start(&hs, url, &(struct settings){0}, NULL);
}

static int set_up(void **state)
{
	(void)state;
	url = bare_database();
	return 0;
}

static int set_up_server(void **state)
{
	(void)state;
	start();
	return 0;
}

static int tear_down_server(void **state)
{
	(void)state;
	bare_stop(&hs);
	return 0;
}

/* A number that the database says; a wrong statement fails the test. */
static int64_t ask_number(struct str room_id, const char *sql)
{
	return bare_ask(url, room_id, sql);
}

/* --- making rooms -------------------------------------------------------------------------------------------- */

static struct user_id user_of(struct arena *arena, int number)
{
	return (struct user_id){str_printf(arena, "@u%d:hs", number)};
}

static const struct json *content_of(struct arena *arena, const char *text)
{
	struct json *content = ARENA_NEW(arena, struct json);
	assert_int_equal(json_parse(arena, str_of(text), NULL, content, NULL), JSON_OK);
	return content;
}

static struct room_intent state_intent(struct arena *arena, struct user_id sender, const char *type,
	struct str state_key, const char *content)
{
	return (struct room_intent){.sender = sender,
		.type = str_of(type),
		.is_state = true,
		.state_key = state_key,
		.content = content_of(arena, content)};
}

static enum err make_room(struct ctx *ctx, const char *version, const char *alias,
	struct room **out)
{
	struct arena *arena = ctx->arena;
	struct user_id creator = user_of(arena, 0);
	const char *levels = strcmp(version, "12") == 0
		? "{\"state_default\":0,\"redact\":0}"
		: "{\"state_default\":0,\"redact\":0,\"users\":{\"@u0:hs\":100}}";
	const struct room_intent intents[] = {
		state_intent(arena, creator, "m.room.create", STR(""),
			arena_printf(arena, "{\"room_version\":\"%s\"}", version)),
		state_intent(arena, creator, "m.room.member", creator.s, "{\"membership\":\"join\"}"),
		state_intent(arena, creator, "m.room.power_levels", STR(""), levels),
		state_intent(arena, creator, "m.room.join_rules", STR(""), "{\"join_rule\":\"public\"}"),
	};
	const struct room_start start_with = {.version = room_version_find(str_of(version)),
		.intents = intents,
		.count = COUNT_OF(intents),
		.alias = str_of(alias),
		.is_published = true};
	return rooms_add_new(ctx, &hs, &start_with, out);
}

static enum err join(struct ctx *ctx, struct room *room, int user)
{
	struct user_id me = user_of(ctx->arena, user);
	const struct room_intent intent =
		state_intent(ctx->arena, me, "m.room.member", me.s, "{\"membership\":\"join\"}");
	return room_add(ctx, &hs, room, &intent, 1, NULL);
}

static struct str transaction_key(struct arena *arena, int64_t number)
{
	return str_printf(arena, "%016lld", (long long)number);
}

static struct room_intent message_intent(struct arena *arena, int user, const char *content,
	int64_t txn)
{
	return (struct room_intent){.sender = user_of(arena, user),
		.type = STR("m.room.message"),
		.content = content_of(arena, content),
		.txn_key = transaction_key(arena, txn),
		.txn_device = STR("MY DEVICE"),
		.txn_id = str_printf(arena, "t%lld", (long long)txn)};
}

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

static enum err redact(struct ctx *ctx, struct room *room, int user, struct str event_id)
{
	const struct room_intent intent = {.sender = user_of(ctx->arena, user),
		.type = STR("m.room.redaction"),
		.content = content_of(ctx->arena, "{}"),
		.redacts = event_id};
	return room_add(ctx, &hs, room, &intent, 1, NULL);
}

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

/* --- new rooms ---------------------------------------------------------------------------------------------------- */

static int64_t frozen_ms(void *self)
{
	(void)self;
	return 1700000000000;
}

static void *create(void *data)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct room *room;
	for (int i = 0; i < ROOMS_EACH; i++) {
		ctx_init(&ctx, arena);
		if (make_room(&ctx, "12", NULL, &room) == ERR_OK) {
			atomic_fetch_add((atomic_int *)data, 1);
		}
		arena_reset(arena);
	}
	return NULL;
}

static void rooms_add_new__same_request_in_one_millisecond__a_room_each(void **state)
{
	(void)state;
	hs.clock.wall_ms = frozen_ms;
	atomic_int made = 0;
	pthread_t threads[CREATORS];
	for (int i = 0; i < CREATORS; i++) {
		threads[i] = thread_start("creator", create, &made);
	}
	for (int i = 0; i < CREATORS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	/* More than half of the milliseconds of a second. */
	assert_int_equal(atomic_load(&made), CREATORS * ROOMS_EACH);
}

static void rooms_add_new__alias_taken__no_room(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", "#one:hs", &room), ERR_OK);
	bool is_published;
	assert_int_equal(store_room_is_published(&ctx, hs.db, room_nid(room), &is_published), ERR_OK);
	assert_true(is_published);
	int64_t before = ask_number(STR(""), "SELECT count(*) FROM rooms WHERE $1 = ''");
	assert_int_equal(make_room(&ctx, "11", "#one:hs", &room), ERR_INPUT);
	assert_string_equal(ctx.fault.errcode, "M_ROOM_IN_USE");
	assert_int_equal(ask_number(STR(""), "SELECT count(*) FROM rooms WHERE $1 = ''"), before);
}

/* --- transaction ids ---------------------------------------------------------------------------------------------- */

static void room_add__transaction_again_after_restart__same_event(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	struct str room_id = str_dup(arena, room_id_of(room).s);
	const struct room_intent intent =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"once\"}", 77000001);
	struct stored_event *event;
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_OK);
	struct str first = str_heap(event->event->event_id.s);
	assert_int_equal(redact(&ctx, room, 0, first), ERR_OK);
	struct str kept_id = str_heap(room_id);
	arena_reset(arena);
	bare_stop(&hs);
	start();
	assert_int_equal(rooms_get(&ctx, &hs, kept_id, &room), ERR_OK);
	const struct room_intent again =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"other\"}", 77000001);
	assert_int_equal(room_add(&ctx, &hs, room, &again, 1, &event), ERR_OK);
	assert_true(str_equals(event->event->event_id.s, first));
	assert_true(str_equals(event->txn_device, STR("MY DEVICE")));
	assert_true(str_equals(event->txn_id, STR("t77000001")));
	str_free(first);
	str_free(kept_id);
}

static void room_add__transaction_of_another_redaction__not_mistaken(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	struct stored_event *redactions[2];
	for (int i = 0; i < 2; i++) {
		const struct room_intent message =
			message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 78000001 + i);
		struct stored_event *event;
		assert_int_equal(room_add(&ctx, &hs, room, &message, 1, &event), ERR_OK);
		struct room_intent intent = message_intent(arena, 0, "{}", 78000010 + i);
		intent.type = STR("m.room.redaction");
		intent.redacts = event->event->event_id.s;
		intent.txn_id = STR("same");
		assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &redactions[i]), ERR_OK);
	}
	assert_ptr_not_equal(redactions[0], redactions[1]);
}

/* --- premises ------------------------------------------------------------------------------------------------------ */

enum { LISTERS = 6, LISTED = 15 };

struct lister {
	struct str room_id;
	int number;
};

/* Adds a name to a list that others add to, too; only over what it has read. @return CONFLICT when it has changed since */
static enum err add_name(struct ctx *ctx, struct str room_id, const char *name)
{
	struct room *room;
	struct stored_event *base;
	struct str list = STR("");
	struct room_premise as_read = {.type = STR("org.example.list"), .state_key = STR("")};
	TRY(rooms_get(ctx, &hs, room_id, &room));
	TRY(room_state_event(ctx, &hs, room, as_read.type, as_read.state_key, POSITION_NOW, &base));
	if (base != NULL) {
		list = json_get_str(base->event->content, STR("names"));
		as_read.position = base->position;
	}
	struct room_intent intent = state_intent(ctx->arena, user_of(ctx->arena, 0), "org.example.list",
		STR(""), arena_printf(ctx->arena, "{\"names\":\"%.*s %s\"}", STR_ARG(list), name));
	intent.premise = &as_read;
	return room_add(ctx, &hs, room, &intent, 1, NULL);
}

static void *add_names(void *data)
{
	const struct lister *lister = data;
	for (int i = 0; i < LISTED; i++) {
		enum err err = ERR_CONFLICT;
		while (err == ERR_CONFLICT) {
			struct arena *arena CLEANUP(arena_cleanup) = arena_create();
			struct ctx ctx;
			ctx_init(&ctx, arena);
			err =
				add_name(&ctx, lister->room_id, arena_printf(arena, "<%d.%d>", lister->number, i));
			assert_true(err != ERR_CONFLICT || strcmp(ctx.fault.errcode, M_BAD_STATE) == 0);
		}
		assert_int_equal(err, ERR_OK);
	}
	return NULL;
}

static void room_add__premise__many_change_a_list_and_nothing_is_lost(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct lister listers[LISTERS];
	pthread_t threads[LISTERS];
	assert_int_equal(make_room(&ctx, "12", NULL, &room), ERR_OK);
	struct str room_id = str_dup(arena, room_id_of(room).s);
	for (int i = 0; i < LISTERS; i++) {
		listers[i] = (struct lister){.room_id = room_id, .number = i};
		threads[i] = thread_start("lister", add_names, &listers[i]);
	}
	for (int i = 0; i < LISTERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	struct stored_event *last;
	assert_int_equal(
		room_state_event(&ctx, &hs, room, STR("org.example.list"), STR(""), POSITION_NOW, &last),
		ERR_OK);
	struct str names = json_get_str(last->event->content, STR("names"));
	for (int i = 0; i < LISTERS * LISTED; i++) {
		assert_true(str_contains(names, str_printf(arena, "<%d.%d>", i / LISTED, i % LISTED)));
	}
}

static void room_add__premise_that_is_gone__nothing_is_added(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct stored_event *event;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	const struct room_premise in_clear = {.type = STR("m.room.encryption"), .state_key = STR("")};
	struct room_intent intent =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 79000001);
	intent.premise = &in_clear;
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_OK);
	const struct room_intent encrypts = state_intent(arena, user_of(arena, 0), "m.room.encryption",
		STR(""), "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}");
	assert_int_equal(room_add(&ctx, &hs, room, &encrypts, 1, NULL), ERR_OK);
	/* What was said under the key stays said; anything else is refused. */
	struct stored_event *again;
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &again), ERR_OK);
	assert_true(str_equals(again->event->event_id.s, event->event->event_id.s));
	intent.txn_key = transaction_key(arena, 79000002);
	intent.txn_id = STR("other");
	int64_t last = room_last_position(room);
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_CONFLICT);
	assert_int_equal(room_last_position(room), last);
}

/* --- lists --------------------------------------------------------------------------------------------------------- */

static void room_state_list__chosen_members__each_once(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	assert_int_equal(join(&ctx, room, 1), ERR_OK);
	const struct str members[] = {STR("@u1:hs"), STR("@u1:hs"), STR("@nobody:hs")};
	struct state_query query = {.without_members = true,
		.only_members = true,
		.members = members,
		.member_count = COUNT_OF(members)};
	for (int i = 0; i < 2; i++) {
		struct state_item *items;
		size_t count;
		assert_int_equal(room_state_list(&ctx, &hs, room, POSITION_NOW, &query, &items, &count),
			ERR_OK);
		assert_int_equal(count, 1);
		assert_true(str_equals(items[0].state_key, STR("@u1:hs")));
		rooms_tidy(hs.rooms, INT64_MAX); /* once more, from the database */
	}
	int64_t horizon;
	struct room_viewer *viewer = room_viewer_create(&ctx, room, STR("@u1:hs"));
	assert_int_equal(room_viewer_horizon(&ctx, &hs, viewer, &horizon), ERR_OK);
	assert_int_equal(horizon, POSITION_NOW);
}

static void room_roster__a_member_changes__nothing_that_was_read_before_is_kept(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct str text;
	int64_t before;
	int64_t serial;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	room_roster_find(&ctx, room, &text, &before);
	assert_null(text.p);
	assert_int_equal(join(&ctx, room, 1), ERR_OK);
	room_roster_keep(room, before, STR("one"));
	room_roster_find(&ctx, room, &text, &serial);
	assert_null(text.p);
	room_roster_keep(room, serial, STR("two"));
	const struct room_intent message =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 79000003);
	assert_int_equal(room_add(&ctx, &hs, room, &message, 1, NULL), ERR_OK);
	room_roster_find(&ctx, room, &text, &serial);
	assert_true(str_equals(text, STR("two")));
	/* Who has the text may go on with it. */
	assert_int_equal(join(&ctx, room, 2), ERR_OK);
	assert_true(str_equals(text, STR("two")));
	struct str after;
	room_roster_find(&ctx, room, &after, &before);
	assert_null(after.p);
	/* Put away and loaded anew: what was read before may be older than what was loaded. */
	rooms_tidy(hs.rooms, INT64_MAX);
	room_roster_keep(room, before, STR("three"));
	room_roster_find(&ctx, room, &after, &serial);
	assert_null(after.p);
	assert_int_not_equal(before, serial);
}

/* --- rewritten by another process ----------------------------------------------------------------------------------- */

static void read_member(struct room *room, struct arena *arena, const struct event **out)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *loaded;
	struct stored_event *member;
	assert_int_equal(rooms_get_nid(&ctx, &hs, room_nid(room), &loaded), ERR_OK);
	assert_int_equal(room_state_event(&ctx, &hs, loaded, STR("m.room.member"), STR("@u0:hs"),
						 POSITION_NOW, &member),
		ERR_OK);
	*out = member->event;
}

/* Somebody who is woken by what another process told, and reads at once. */
static void on_told(void *self, struct room *room)
{
	(void)self;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct event *member;
	read_member(room, arena, &member);
	assert_true(str_contains(member->raw, STR("after")));
}

static void rooms_told__of_another_text__whoever_is_woken_reads_and_keeps_that(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	const struct event *member;
	const struct room_intent names = state_intent(arena, user_of(arena, 0), "m.room.member",
		user_of(arena, 0).s, "{\"membership\":\"join\",\"displayname\":\"before\"}");
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	assert_int_equal(room_add(&ctx, &hs, room, &names, 1, NULL), ERR_OK);
	for (int i = 0; i < BEYOND_RECENT; i++) {
		const struct room_intent message =
			message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 79000004 + i);
		assert_int_equal(room_add(&ctx, &hs, room, &message, 1, NULL), ERR_OK);
	}
	rooms_tidy(hs.rooms, INT64_MAX);
	read_member(room, arena, &member);
	assert_true(str_contains(member->raw, STR("before")));
	assert_int_equal(
		ask_number(room_id_of(room).s,
			"UPDATE events e SET json = replace(json, 'before', 'after') FROM rooms r "
			"WHERE r.room_id = $1 AND e.room_nid = r.room_nid AND e.json LIKE '%before%' RETURNING 1"),
		1);
	const struct room_observer observer = {.room_committed = on_told};
	rooms_observe(hs.rooms, &observer);
	rooms_told(hs.rooms, room_nid(room), room_last_position(room), NEWS_REWRITTEN);
	read_member(room, arena, &member);
	assert_true(str_contains(member->raw, STR("after")));
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_server, tear_down_server)
	const struct CMUnitTest tests[] = {
		SERVER_TEST(rooms__many_threads__whole_and_each_once),
		SERVER_TEST(rooms__connections_killed__stored_is_whole),
		SERVER_TEST(room_turn__waits_for_a_write_to_end__goes_on_then),
		SERVER_TEST(rooms_add_new__same_request_in_one_millisecond__a_room_each),
		SERVER_TEST(rooms_add_new__alias_taken__no_room),
		SERVER_TEST(room_add__transaction_again_after_restart__same_event),
		SERVER_TEST(room_add__transaction_of_another_redaction__not_mistaken),
		SERVER_TEST(room_add__premise__many_change_a_list_and_nothing_is_lost),
		SERVER_TEST(room_add__premise_that_is_gone__nothing_is_added),
		SERVER_TEST(room_state_list__chosen_members__each_once),
		SERVER_TEST(room_roster__a_member_changes__nothing_that_was_read_before_is_kept),
		SERVER_TEST(rooms_told__of_another_text__whoever_is_woken_reads_and_keeps_that),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
