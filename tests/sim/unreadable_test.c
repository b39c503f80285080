/*
 * What the database cannot tell is not taken for what is not there: the request fails, and the next one has what it asked for.
 */
#include "base/clock.h"
#include "federation/backfill_inner.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room_state.h"
#include "homeserver/typing/typing.h"
#include "tests/sim/bare_rooms.h"

enum { BEYOND_MEMORY = 60 }; /* more events than are kept with a room */

/* Each has its way back. What is written names none of these columns; that one is not there is INTERNAL. */
#define EVENTS_AWAY "ALTER TABLE events RENAME redacted_by TO away"
#define EVENTS_BACK "ALTER TABLE events RENAME away TO redacted_by"
#define TRANSACTIONS_AWAY "ALTER TABLE transactions RENAME TO away"
#define TRANSACTIONS_BACK "ALTER TABLE away RENAME TO transactions"
#define MEMBERS_AWAY "ALTER TABLE members RENAME is_forgotten TO away"
#define MEMBERS_BACK "ALTER TABLE members RENAME away TO is_forgotten"
#define STATES_AWAY "ALTER TABLE states RENAME membership TO away"
#define STATES_BACK "ALTER TABLE states RENAME away TO membership"

static struct arena *arena;
static struct ctx ctx;
static struct room *room;
static int64_t last_txn; /* of all tests: they share the database */

static int set_up_room(void **state)
{
	(void)set_up_server(state);
	hs.typing = typing_create(&hs);
	arena = arena_create();
	ctx_init(&ctx, arena);
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	return 0;
}

static int tear_down_room(void **state)
{
	arena_destroy(arena);
	typing_destroy(hs.typing);
	return tear_down_server(state);
}

static struct stored_event *say(const char *content)
{
	struct stored_event *event;
	const struct room_intent intent = message_intent(arena, 0, content, ++last_txn);
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_OK);
	return event;
}

/* The room as another start of the server has it: with its newest events in memory, and no others. */
static void forget_the_past(void)
{
	struct str room_id = str_heap(room_id_of(room).s);
	for (int i = 0; i < BEYOND_MEMORY; i++) {
		(void)say("{\"msgtype\":\"m.text\",\"body\":\"x\"}");
	}
	arena_reset(arena);
	typing_destroy(hs.typing);
	bare_stop(&hs);
	start();
	hs.typing = typing_create(&hs);
	ctx_init(&ctx, arena);
	assert_int_equal(rooms_get(&ctx, &hs, room_id, &room), ERR_OK);
	str_free(room_id);
}

static void room_add__event_above_unreadable__fails_and_keeps_its_thread(void **state)
{
	(void)state;
	struct str root = say("{\"msgtype\":\"m.text\",\"body\":\"root\"}")->event->event_id.s;
	struct str in_thread = say(
		arena_printf(arena, "{\"m.relates_to\":{\"rel_type\":\"m.thread\",\"event_id\":\"%.*s\"}}",
			STR_ARG(root)))
							   ->event->event_id.s;
	struct str ids[] = {str_heap(root), str_heap(in_thread)};
	forget_the_past();
	(void)say("{\"msgtype\":\"m.text\",\"body\":\"all that it takes else is in memory\"}");
	const char *content = arena_printf(arena,
		"{\"m.relates_to\":{\"rel_type\":\"m.reference\",\"event_id\":\"%.*s\"}}", STR_ARG(ids[1]));
	const struct room_intent intent = message_intent(arena, 0, content, ++last_txn);
	struct stored_event *event;
	bare_do(url, EVENTS_AWAY);
	enum err err = room_add(&ctx, &hs, room, &intent, 1, &event);
	bare_do(url, EVENTS_BACK);
	assert_int_equal(err, ERR_INTERNAL);
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_OK);
	assert_true(str_equals(event->thread_root, ids[0]));
	str_free(ids[0]);
	str_free(ids[1]);
}

static void room_send__what_it_made_before_unreadable__fails_and_is_found_later(void **state)
{
	(void)state;
	const struct principal who = {.user = user_of(arena, 0), .device_id = STR("PHONE")};
	const char *content = arena_printf(arena,
		"{\"m.relates_to\":{\"rel_type\":\"m.annotation\",\"key\":\"+\",\"event_id\":\"%.*s\"}}",
		STR_ARG(say("{\"msgtype\":\"m.text\",\"body\":\"x\"}")->event->event_id.s));
	const struct send_request request = {.who = &who,
		.room_id = room_id_of(room).s,
		.type = STR("m.reaction"),
		.txn_id = STR("again"),
		.content = content_of(arena, content)};
	struct str first;
	struct str second;
	assert_int_equal(room_send(&ctx, &hs, &request, &first), ERR_OK);
	bare_do(url, TRANSACTIONS_AWAY);
	enum err err = room_send(&ctx, &hs, &request, &second);
	bare_do(url, TRANSACTIONS_BACK);
	assert_int_equal(err, ERR_INTERNAL);
	assert_int_equal(room_send(&ctx, &hs, &request, &second), ERR_OK);
	assert_true(str_equals(first, second));
}

static void room_state_get__whether_forgotten_unreadable__fails(void **state)
{
	(void)state;
	const struct principal who = {.user = user_of(arena, 1)};
	const struct room_intent leave =
		state_intent(arena, who.user, "m.room.member", who.user.s, "{\"membership\":\"leave\"}");
	struct stored_event *event;
	assert_int_equal(join(&ctx, room, 1), ERR_OK);
	assert_int_equal(room_add(&ctx, &hs, room, &leave, 1, NULL), ERR_OK);
	struct str room_id = room_id_of(room).s;
	const struct str type = STR("m.room.create");
	bare_do(url, MEMBERS_AWAY);
	enum err err = room_state_get(&ctx, &hs, &who, room_id, type, STR(""), &event);
	bare_do(url, MEMBERS_BACK);
	assert_int_equal(err, ERR_INTERNAL);
	assert_int_equal(room_state_get(&ctx, &hs, &who, room_id, type, STR(""), &event), ERR_OK);
}

static void typing_users__members_unreadable__fails(void **state)
{
	(void)state;
	struct str me = user_of(arena, 0).s;
	struct str *users;
	size_t n;
	assert_int_equal(typing_set(&ctx, &hs, me, room_id_of(room).s, 60000), ERR_OK);
	rooms_tidy(hs.rooms, INT64_MAX);
	bare_do(url, STATES_AWAY);
	enum err err = typing_users(&ctx, &hs, room, &users, &n);
	bare_do(url, STATES_BACK);
	assert_int_equal(err, ERR_INTERNAL);
	assert_int_equal(typing_users(&ctx, &hs, room, &users, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_true(str_equals(users[0], me));
}

static void backfill__room_unreadable__fails(void **state)
{
	(void)state;
	int64_t below = say("{\"msgtype\":\"m.text\",\"body\":\"x\"}")->position;
	struct server_name server;
	bool is_whole;
	forget_the_past();
	ctx.deadline_ms = clock_os_ms() - 1; /* for all that is not in memory */
	assert_int_equal(backfill_choose_first(&ctx, &hs, room, below, &server), ERR_STORE);
	rooms_tidy(hs.rooms, INT64_MAX);
	assert_int_equal(backfill_await_whole(&ctx, &hs, room, &is_whole), ERR_STORE);
	ctx.deadline_ms = 0;
	assert_int_equal(backfill_await_whole(&ctx, &hs, room, &is_whole), ERR_OK);
	assert_true(is_whole);
	assert_int_equal(backfill_choose_first(&ctx, &hs, room, below, &server), ERR_OK);
}

int main(void)
{
#define ROOM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_room, tear_down_room)
	const struct CMUnitTest tests[] = {
		ROOM_TEST(room_add__event_above_unreadable__fails_and_keeps_its_thread),
		ROOM_TEST(room_send__what_it_made_before_unreadable__fails_and_is_found_later),
		ROOM_TEST(room_state_get__whether_forgotten_unreadable__fails),
		ROOM_TEST(typing_users__members_unreadable__fails),
		ROOM_TEST(backfill__room_unreadable__fails),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
