/*
 * What is told at a sync that waits: everything, whenever it comes. A sync looks, finds nothing, and is put among those who are woken;
 * what is committed and has woken whoever waited in between is found by the look afterwards. Here the port by which a sync asks the
 * encryption layer, after it has taken the end of its span and before it waits, lets something happen.
 */
#include "tests/unit/http/loopback.h"

#include "e2ee/device_state.h"
#include "e2ee/e2ee.h"
#include "e2ee/e2ee_sync.h"
#include "e2ee/own_device.h"
#include "e2ee/to_device.h"
#include "homeserver/erasure.h"
#include "homeserver/person/persons.h"
#include "homeserver/presence/presence.h"
#include "homeserver/push/push.h"
#include "homeserver/receipt/receipts.h"
#include "homeserver/room/rooms.h"
#include "homeserver/sync/sync.h"
#include "homeserver/sync/sync_routes.h"
#include "homeserver/typing/typing.h"
#include "homeserver/user/users.h"
#include "storage/account.h"
#include "storage/account_data.h"
#include "tests/sim/bare.h"

enum { FOR_EVER_MS = 3600000, READ_MS = 20000 };

static struct homeserver hs;
static struct str url;
static struct http_server *server;

/* The setting: a user who syncs, another, their room, and rooms of the other alone. */
static struct arena *arena;
static struct ctx ctx;
static struct principal reader;
static struct user_id writer;
static struct room *room;
static struct room *elsewhere;
static struct room *inviting;

/* --- in between ----------------------------------------------------------------------------------------------- */

static void (*_Atomic strike)(void); /* once, within a sync */
static atomic_int first_runs;        /* of syncs, and how many were woken and ran again */
static atomic_int later_runs;
static struct gate published; /* positions whose waiters have been woken */

/* On a worker, where nothing is put off: what begins there ends there. */
static enum err load_struck(struct ctx *call, struct homeserver *at, const struct e2ee_ask *asked,
	struct e2ee_news *out)
{
	if (strike != NULL) {
		TRY(ctx_may_wait(call));
		atomic_exchange(&strike, NULL)();
	}
	return e2ee_sync_load(call, at, asked, out);
}

/* GET /sync, as the server has it. */
static enum err get_sync(struct call *call)
{
	atomic_fetch_add(call_is_resumed(call) ? &later_runs : &first_runs, 1);
	return sync_routes[0].handler(call);
}

static void on_published(void *self, int64_t position, uint32_t kinds)
{
	(void)kinds;
	users_published(((const struct homeserver *)self)->users);
	LOCK_SCOPE(&published.lock);
	published.count = (int)position;
	cond_broadcast(&published.cond);
}

/* Whoever waits for what was committed so far has been woken: nobody is later on. */
static void await_woken(void)
{
	assert_true(gate_wait(&published, (int)writer_position(hs.writer)));
}

/* --- the server ------------------------------------------------------------------------------------------------ */

static enum err authenticate(void *self, struct call *call)
{
	(void)self;
	call_set_principal(call, &reader, NULL);
	return ERR_OK;
}

static void start(void)
{
	static const struct http_ports ports = {.authenticate = authenticate};
	static const struct route rows[] = {
		{"sync", "GET", "/sync", AUTH_USER, LANE_INLINE, RATE_NONE, 0, get_sync}};
	const struct settings settings = {.to_device_limit = 1000, .sync_max_timeout_ms = FOR_EVER_MS};
	bare_start(&hs, url, &settings, on_published);
	hs.presence = presence_create(&hs);
	hs.persons = persons_create();
	hs.push = push_create(false);
	hs.receipts = receipts_create(&hs);
	hs.e2ee = e2ee_create(&hs);
	hs.ports.e2ee.sync_load = load_struck;
	hs.typing = typing_create(&hs);
	hs.erasure = erasure_create();
	e2ee_forget(hs.e2ee, writer_position(hs.writer));
	hs.lazy_members = lazy_members_create();
	hs.shown_rooms = shown_rooms_create();
	struct http_config config = loopback_config();
	config.ports = &ports;
	server = loopback_start(&config, rows, COUNT_OF(rows), &hs);
}

static void stop(void)
{
	loopback_stop(server);
	lazy_members_destroy(hs.lazy_members);
	shown_rooms_destroy(hs.shown_rooms);
	bare_stop_writer(&hs);
	erasure_destroy(hs.erasure);
	typing_destroy(hs.typing);
	e2ee_destroy(hs.e2ee);
	receipts_destroy(hs.receipts);
	push_destroy(hs.push);
	persons_destroy(hs.persons);
	presence_destroy(hs.presence);
	bare_stop(&hs);
}

/* --- the setting ----------------------------------------------------------------------------------------------- */

static struct user_id new_user(const char *name)
{
	struct user_id user = {str_printf(arena, "@%s:hs", name)};
	const struct account_row row = {.user_id = user.s, .created_at_ms = 1};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(&ctx, hs.db, &tx), ERR_OK);
	assert_int_equal(store_account_insert(&ctx, tx, &row), ERR_OK);
	assert_int_equal(tx_commit(&ctx, &tx), ERR_OK);
	return user;
}

static const struct json *json_of(struct arena *where, struct str text)
{
	struct json *value = ARENA_NEW(where, struct json);
	assert_int_equal(json_parse(where, text, NULL, value, NULL), JSON_OK);
	return value;
}

static struct room_intent state_of(struct user_id sender, const char *type, struct str state_key,
	const char *content)
{
	return (struct room_intent){.sender = sender,
		.type = str_of(type),
		.is_state = true,
		.state_key = state_key,
		.content = json_of(arena, str_of(content))};
}

static struct room *make_room(void)
{
	struct room *made;
	const struct room_intent intents[] = {
		state_of(writer, "m.room.create", STR(""), "{\"room_version\":\"12\"}"),
		state_of(writer, "m.room.member", writer.s, "{\"membership\":\"join\"}"),
		state_of(writer, "m.room.power_levels", STR(""), "{}"),
		state_of(writer, "m.room.join_rules", STR(""), "{\"join_rule\":\"public\"}"),
	};
	const struct room_start start_with = {.version = room_version_find(STR("12")),
		.intents = intents,
		.count = COUNT_OF(intents)};
	assert_int_equal(rooms_add_new(&ctx, &hs, &start_with, &made), ERR_OK);
	return made;
}

static void join(struct room *where)
{
	const struct room_intent intent =
		state_of(reader.user, "m.room.member", reader.user.s, "{\"membership\":\"join\"}");
	assert_int_equal(room_add(&ctx, &hs, where, &intent, 1, NULL), ERR_OK);
}

static int set_up_all(void **state)
{
	(void)state;
	url = bare_database();
	gate_init(&published);
	arena = arena_create();
	ctx_init(&ctx, arena);
	start();
	writer = new_user("ann");
	struct own_device device;
	assert_int_equal(own_device_open(&ctx, &hs, new_user("ben"), STR("x"), &device), ERR_OK);
	reader = (struct principal){.user = device.user, .device_id = device.device_id};
	room = make_room();
	join(room);
	elsewhere = make_room();
	inviting = make_room();
	return 0;
}

static int tear_down_all(void **state)
{
	(void)state;
	stop();
	arena_destroy(arena);
	return 0;
}

/* --- what happens ------------------------------------------------------------------------------------------------ */

static void say(struct room *where)
{
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	const struct room_intent intent = {.sender = writer,
		.type = STR("m.room.message"),
		.content = json_of(own, STR("{\"body\":\"struck\"}"))};
	assert_int_equal(room_add(&own_ctx, &hs, where, &intent, 1, NULL), ERR_OK);
	await_woken();
}

static void send_message(void)
{
	say(room);
}

static void invite(void)
{
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	const struct room_intent intent = {.sender = writer,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = reader.user.s,
		.content = json_of(own, STR("{\"membership\":\"invite\"}"))};
	assert_int_equal(room_add(&own_ctx, &hs, inviting, &intent, 1, NULL), ERR_OK);
	await_woken();
}

static void type(void)
{
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	const int64_t ms[] = {0, 60000};
	for (size_t i = 0; i < COUNT_OF(ms); i++) {
		assert_int_equal(typing_set(&own_ctx, &hs, writer.s, room_id_of(room).s, ms[i]), ERR_OK);
	}
}

static void set_account_data(void)
{
	static int number;
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	assert_int_equal(account_data_put(&own_ctx, &hs, reader.user.s, 0, STR("org.example.struck"),
						 str_printf(own, "{\"n\":%d}", ++number)),
		ERR_OK);
	await_woken();
}

static void send_to_device(void)
{
	static int number;
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	const struct to_device_request request = {.sender = writer.s,
		.device_id = STR("D"),
		.type = STR("org.example.struck"),
		.txn_id = str_printf(own, "t%d", ++number),
		.messages = json_of(own,
			str_printf(own, "{\"%.*s\":{\"%.*s\":{}}}", STR_ARG(reader.user.s),
				STR_ARG(reader.device_id)))};
	assert_int_equal(to_device_send(&own_ctx, &hs, &request), ERR_OK);
	await_woken();
}

/* --- syncs ----------------------------------------------------------------------------------------------------- */

#define QUIET "set_presence=offline"

static struct str token_of(const struct client_reply *reply)
{
	return json_get_str(json_of(arena, reply->body), STR("next_batch"));
}

/* A sync that may not wait. */
static struct client_reply sync_now(struct str since)
{
	struct client_reply reply = client_call(server, arena, "GET",
		arena_printf(arena, "/sync?" QUIET "%s%.*s", since.n > 0 ? "&since=" : "", STR_ARG(since)),
		"", NULL);
	assert_int_equal(reply.status, 200);
	return reply;
}

/* Up to where there is nothing more; all that a sync needs is in memory. */
static struct str sync_all(void)
{
	struct client_reply reply = sync_now(STR(""));
	struct str since = token_of(&reply);
	struct str before = STR("");
	while (!str_equals(since, before)) {
		before = since;
		reply = sync_now(since);
		since = token_of(&reply);
	}
	return since;
}

/* One that waits for something, and what happens when it has looked and does not wait yet. */
static void assert_told_when_it_comes_in_between(void (*what)(void), const char *sign)
{
	int fd = client_connect(http_server_port(server, 0));
	struct str since = sync_all();
	say(elsewhere); /* nothing for the reader: but there is something to look at */
	int first = first_runs;
	int later = later_runs;
	strike = what;
	assert_true(client_request(fd, arena, "GET",
		arena_printf(arena, "/sync?" QUIET "&timeout=%d&since=%.*s", FOR_EVER_MS, STR_ARG(since)),
		"", NULL));
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&answer, 1, READ_MS), 1); /* else it waits for ever */
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_of(sign)));
	assert_null(strike);
	assert_int_equal(first_runs - first,
		2);                          /* at once, and on a worker: it had nothing to tell, and */
	assert_true(later_runs > later); /* was woken */
	assert_int_equal(close(fd), 0);
}

static void parking__message_in_between__told(void **state)
{
	(void)state;
	assert_told_when_it_comes_in_between(send_message, "\"body\":\"struck\"");
}

static void parking__invite_in_between__told(void **state)
{
	(void)state;
	assert_told_when_it_comes_in_between(invite, "\"invite_state\"");
}

static void parking__typing_in_between__told(void **state)
{
	(void)state;
	assert_told_when_it_comes_in_between(type, "\"m.typing\"");
}

static void parking__account_data_in_between__told(void **state)
{
	(void)state;
	assert_told_when_it_comes_in_between(set_account_data, "\"org.example.struck\"");
}

static void parking__message_to_the_device_in_between__told(void **state)
{
	(void)state;
	assert_told_when_it_comes_in_between(send_to_device, "\"org.example.struck\"");
}

/* --- devices that leave the memory ------------------------------------------------------------------------------- */

static struct str one_time_counts(void)
{
	struct device_state state;
	assert_int_equal(device_state_get(&ctx, &hs, reader.user.s, reader.device_id, &state), ERR_OK);
	return state.one_time_counts;
}

static void device_state__counted_before_it_left_the_memory__not_kept(void **state)
{
	(void)state;
	struct device_states *states = hs.e2ee->states;
	struct algorithm_count left = {STR("signed_curve25519"), 7};
	const struct keys_added added = {.left = &left, .left_n = 1};
	struct str counts = one_time_counts();
	uint64_t changes = device_state_changes(states, reader.user.s, reader.device_id);
	device_states_forget_user(states, reader.user.s);
	(void)one_time_counts();
	(void)device_state_keys_added(states, arena, reader.user.s, reader.device_id, &added, changes);
	assert_true(str_equals(one_time_counts(), counts));
}

static void has_more__device_that_left_the_memory__looks_anew(void **state)
{
	(void)state;
	const struct e2ee_ask ask = {.who = &reader, .up_to = writer_position(hs.writer)};
	(void)one_time_counts();
	assert_false(hs.ports.e2ee.sync_has_more(&hs, &ask));
	device_states_forget_user(hs.e2ee->states, reader.user.s);
	assert_true(hs.ports.e2ee.sync_has_more(&hs, &ask));
	(void)one_time_counts();
	assert_false(hs.ports.e2ee.sync_has_more(&hs, &ask));
}

/* --- who is woken ------------------------------------------------------------------------------------------------ */

static size_t waiting_in(struct room *where)
{
	struct user **waiting;
	size_t n = room_waiting(hs.rooms, where, arena, &waiting);
	for (size_t i = 0; i < n; i++) {
		assert_true(str_equals(user_id_of(waiting[i]), reader.user.s));
		user_unref(waiting[i]);
	}
	return n;
}

static void room_waiting__members_in_memory__those_who_wait(void **state)
{
	(void)state;
	int fd = client_connect(http_server_port(server, 0));
	say(room); /* takes off the list what has ended by itself */
	struct str since = sync_all();
	assert_int_equal(waiting_in(room), 0); /* it listens, but does not wait */
	assert_true(client_request(fd, arena, "GET",
		arena_printf(arena, "/sync?" QUIET "&timeout=%d&since=%.*s", FOR_EVER_MS, STR_ARG(since)),
		"", NULL));
	for (int ms = 0; ms < READ_MS && waiting_in(room) == 0; ms++) {
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(waiting_in(room), 1);
	assert_int_equal(waiting_in(elsewhere), 0);
	say(room);
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, STR("struck")));
	assert_int_equal(waiting_in(room), 0);
	assert_int_equal(close(fd), 0);
}

/* --- which rooms ------------------------------------------------------------------------------------------------- */

static struct rooms_since now(void)
{
	return (struct rooms_since){writer_position(hs.writer), typing_serial_now(&hs)};
}

/* The user's only room with news; NULL: there is none. */
static struct room *only_room_since(struct rooms_since since)
{
	struct user *user;
	struct user_room *rooms;
	size_t n;
	assert_int_equal(users_get(&ctx, &hs, reader.user.s, &user), ERR_OK);
	user_rooms_since(user, arena, since, &rooms, &n);
	assert_true(n <= 1);
	return n == 1 ? rooms[0].room : NULL;
}

static void user_rooms_since__many_rooms__only_those_with_news(void **state)
{
	(void)state;
	struct room *quiet = make_room();
	join(quiet);
	struct rooms_since since = now();
	assert_null(only_room_since(since));
	say(elsewhere);
	assert_null(only_room_since(since));
	say(quiet);
	assert_ptr_equal(only_room_since(since), quiet);
	since = now();
	assert_null(only_room_since(since));
	const struct room_intent leave =
		state_of(reader.user, "m.room.member", reader.user.s, "{\"membership\":\"leave\"}");
	assert_int_equal(room_add(&ctx, &hs, quiet, &leave, 1, NULL), ERR_OK);
	assert_ptr_equal(only_room_since(since), quiet);
	since = now();
	say(quiet); /* out of it */
	assert_null(only_room_since(since));
	type();
	assert_ptr_equal(only_room_since(since), room);
	since = now();
	room_set_receipt_position(room, since.position + 1);
	assert_ptr_equal(only_room_since(since), room);
}

static void sync__data_of_a_room_in_which_nothing_happens__told(void **state)
{
	(void)state;
	struct room *quiet = make_room();
	join(quiet);
	struct str since = sync_all();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(account_data_put(&ctx, &hs, reader.user.s, room_nid(quiet),
							 i == 0 ? STR("org.example.one") : STR("org.example.two"), STR("{}")),
			ERR_OK);
	}
	struct client_reply reply = sync_now(since);
	struct str joined = str_printf(arena, "{\"join\":{\"%.*s\":{", STR_ARG(room_id_of(quiet).s));
	assert_true(str_contains(reply.body, joined));
	assert_true(str_contains(reply.body, STR("org.example.one")));
	assert_true(str_contains(reply.body, STR("org.example.two")));
}

/* --- counts ------------------------------------------------------------------------------------------------------ */

static int64_t unread_of(struct ctx *with)
{
	struct user *user;
	struct unread_result unread;
	assert_int_equal(users_get(with, &hs, reader.user.s, &user), ERR_OK);
	assert_int_equal(unread_counts(with, &hs, room, user, POSITION_NOW, &unread), ERR_OK);
	return unread.notification_count;
}

/* The database has the rules already, memory hears of them now: in between somebody asks who was not here before. */
static void ask_in_between(void *data, int64_t position)
{
	(void)data;
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	users_heard(hs.users, reader.user.s);
	(void)unread_of(&own_ctx);
	push_forget_user(hs.push, reader.user);
	users_own_committed(hs.users, reader.user.s, position);
}

static void unread_counts__user_read_before_the_rules_are_heard_of__judged_afterwards(void **state)
{
	(void)state;
	const struct push_rule_name name = {reader.user, STR("room"), room_id_of(room).s};
	const struct json *body = json_of(arena, STR("{\"actions\":[]}"));
	struct account_data_row rules;
	say(room);
	assert_int_equal(push_rule_put(&ctx, &hs, &name, body, (struct str){0}, (struct str){0}),
		ERR_OK);
	assert_int_equal(
		store_account_data_get(&ctx, hs.db, reader.user.s, 0, STR("m.push_rules"), &rules), ERR_OK);
	assert_int_equal(push_rule_delete(&ctx, &hs, &name), ERR_OK);
	assert_true(unread_of(&ctx) > 0);
	struct write *write = write_new(&ctx);
	write_set_positions(write, 1);
	store_account_data_set(write, reader.user.s, 0, STR("m.push_rules"), rules.content,
		ACCOUNT_DATA_ANY);
	write_on_commit(write, ask_in_between, NULL);
	assert_int_equal(writer_commit(&ctx, hs.writer, write, NULL), ERR_OK);
	assert_int_equal(unread_of(&ctx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parking__message_in_between__told),
		cmocka_unit_test(parking__invite_in_between__told),
		cmocka_unit_test(parking__typing_in_between__told),
		cmocka_unit_test(parking__account_data_in_between__told),
		cmocka_unit_test(parking__message_to_the_device_in_between__told),
		cmocka_unit_test(device_state__counted_before_it_left_the_memory__not_kept),
		cmocka_unit_test(has_more__device_that_left_the_memory__looks_anew),
		cmocka_unit_test(room_waiting__members_in_memory__those_who_wait),
		cmocka_unit_test(user_rooms_since__many_rooms__only_those_with_news),
		cmocka_unit_test(sync__data_of_a_room_in_which_nothing_happens__told),
		cmocka_unit_test(unread_counts__user_read_before_the_rules_are_heard_of__judged_afterwards),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
