/*
 * A client that comes back from an answer is not looked at when nothing has come since, but waits. What is committed after that was seen, and before it is among
 * those who are woken, is told all the same: a request looks at the clock between the two, and here the clock commits.
 */
#include "tests/unit/http/loopback.h"

#include "e2ee/e2ee.h"
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
#include "storage/schema.h"

static struct homeserver hs;
static struct str url;
static struct http_server *server;

/* The setting: a user who syncs, another, and their room. */
static struct arena *arena;
static struct ctx ctx;
static struct principal reader;
static struct user_id writer;
static struct room *room;

/* --- the clock ------------------------------------------------------------------------------------------------ */

/* What strikes, once, and at which look at the clock of a request that comes; 0: never. */
static void (*_Atomic strike)(void);
static atomic_int strike_at;

static _Thread_local bool is_handling; /* a request that has just come, on this thread */
static _Thread_local int looks;
static atomic_int looks_of_last; /* of the last request that came */
static struct gate handled;

static int64_t strike_mono_ms(void *self)
{
	(void)self;
	if (is_handling && ++looks == strike_at) {
		strike_at = 0;
		is_handling = false;
		strike();
		is_handling = true;
	}
	return clock_mono_us() / 1000;
}

static int64_t wall_ms(void *self)
{
	(void)self;
	const struct clock os = clock_os();
	return clock_wall_ms(&os);
}

/* GET /sync, as the server has it. */
static enum err get_sync(struct call *call)
{
	is_handling = !call_is_resumed(call);
	looks = 0;
	enum err err = sync_routes[0].handler(call);
	is_handling = false;
	if (!call_is_resumed(call)) {
		atomic_store(&looks_of_last, looks);
		gate_add(&handled, 1);
	}
	return err;
}

/* --- the server ------------------------------------------------------------------------------------------------ */

static void on_published(void *self, int64_t position)
{
	(void)position;
	users_published(((const struct homeserver *)self)->users);
}

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
	const unsigned char seed[32] = {1, 2, 3};
	hs = (struct homeserver){.clock = {.wall_ms = wall_ms, .mono_ms = strike_mono_ms},
		.rng = rng_os(),
		.secrets_key = {7, 7}};
	hs.settings.event_cache_bytes = (size_t)1 << 22;
	hs.settings.to_device_limit = 1000;
	hs.settings.sync_max_timeout_ms = 3600000;
	hs.signer = (struct event_signer){.server = {STR("hs")},
		.key_id = STR("ed25519:1"),
		.key = ed25519_key_create(seed)};
	hs.db = db_create(&(struct db_config){.url = url,
		.pool_size = 8,
		.statement_timeout_ms = 5000,
		.acquire_timeout_ms = 5000});
	hs.rooms = rooms_create(&hs);
	hs.users = users_create(&hs);
	hs.presence = presence_create(&hs);
	hs.persons = persons_create();
	hs.push = push_create(false);
	hs.receipts = receipts_create(&hs);
	hs.e2ee = e2ee_create(&hs);
	hs.typing = typing_create(&hs);
	hs.erasure = erasure_create();
	hs.writer = writer_create(&(struct writer_config){.url = url,
		.queue_limit = 1000,
		.group_limit = 16,
		.published = on_published,
		.self = &hs});
	assert_non_null(hs.writer);
	e2ee_forget(hs.e2ee, writer_position(hs.writer));
	hs.lazy_members = lazy_members_create();
	struct http_config config = loopback_config();
	config.ports = &ports;
	server = loopback_start(&config, rows, COUNT_OF(rows), &hs);
}

static void stop(void)
{
	loopback_stop(server);
	lazy_members_destroy(hs.lazy_members);
	writer_destroy(hs.writer);
	erasure_destroy(hs.erasure);
	typing_destroy(hs.typing);
	e2ee_destroy(hs.e2ee);
	receipts_destroy(hs.receipts);
	push_destroy(hs.push);
	persons_destroy(hs.persons);
	presence_destroy(hs.presence);
	users_destroy(hs.users);
	rooms_destroy(hs.rooms);
	db_destroy(hs.db);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)hs.signer.key);
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

static void make_room(void)
{
	const struct room_intent intents[] = {
		state_of(writer, "m.room.create", STR(""), "{\"room_version\":\"12\"}"),
		state_of(writer, "m.room.member", writer.s, "{\"membership\":\"join\"}"),
		state_of(writer, "m.room.power_levels", STR(""), "{}"),
		state_of(writer, "m.room.join_rules", STR(""), "{\"join_rule\":\"public\"}"),
	};
	const struct room_start start_with = {.version = room_version_find(STR("12")),
		.intents = intents,
		.count = COUNT_OF(intents)};
	assert_int_equal(rooms_add_new(&ctx, &hs, &start_with, &room), ERR_OK);
	const struct room_intent join =
		state_of(reader.user, "m.room.member", reader.user.s, "{\"membership\":\"join\"}");
	assert_int_equal(room_add(&ctx, &hs, room, &join, 1, NULL), ERR_OK);
}

static int set_up_all(void **state)
{
	(void)state;
	url = str_of(getenv("BELFRY_TEST_DATABASE_URL"));
	gate_init(&handled);
	arena = arena_create();
	ctx_init(&ctx, arena);
	assert_int_equal(schema_update(&ctx, url), ERR_OK);
	start();
	writer = new_user("ann");
	struct own_device device;
	assert_int_equal(own_device_open(&ctx, &hs, new_user("ben"), STR("x"), &device), ERR_OK);
	reader = (struct principal){.user = device.user, .device_id = device.device_id};
	make_room();
	return 0;
}

static int tear_down_all(void **state)
{
	(void)state;
	stop();
	arena_destroy(arena);
	return 0;
}

/* --- what strikes ------------------------------------------------------------------------------------------------ */

static void send_message(void)
{
	struct arena *own CLEANUP(arena_cleanup) = arena_create();
	struct ctx own_ctx;
	ctx_init(&own_ctx, own);
	const struct room_intent intent = {.sender = writer,
		.type = STR("m.room.message"),
		.content = json_of(own, STR("{\"body\":\"struck\"}"))};
	assert_int_equal(room_add(&own_ctx, &hs, room, &intent, 1, NULL), ERR_OK);
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
}

/* --- syncs ----------------------------------------------------------------------------------------------------- */

static struct str token_of(const struct client_reply *reply)
{
	return json_get_str(json_of(arena, reply->body), STR("next_batch"));
}

/* A sync that may not wait. */
static struct client_reply sync_now(struct str since)
{
	struct client_reply reply = client_call(server, arena, "GET",
		arena_printf(arena, "/sync%s%.*s", since.n > 0 ? "?since=" : "", STR_ARG(since)), "", NULL);
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

/* One that may wait longer than anybody here does. */
static void ask(int fd, struct str since)
{
	assert_true(client_request(fd, arena, "GET",
		arena_printf(arena, "/sync?timeout=3600000&since=%.*s", STR_ARG(since)), "", NULL));
}

static int handled_so_far(void)
{
	LOCK_SCOPE(&handled.lock);
	return handled.count;
}

/* The answer. @return its token */
static struct str read_struck(int fd, const char *sign)
{
	struct client_reply reply = client_read(fd, arena);
	assert_int_equal(reply.status, 200);
	assert_true(str_contains(reply.body, str_of(sign)));
	return token_of(&reply);
}

/* Strikes at the last look at the clock of a request that comes with the token of the answer before. */
static void assert_told_when_it_comes_in_between(void (*what)(void), const char *sign)
{
	int fd = client_connect(http_server_port(server, 0));
	struct str since = sync_all();
	int before = handled_so_far();
	int last = 0;
	/* The second takes over what the first left on its connection, and so does the third. */
	for (int i = 1; i <= 2; i++) {
		ask(fd, since);
		assert_true(gate_wait(&handled, before + i));
		last = looks_of_last;
		what();
		since = read_struck(fd, sign);
	}
	strike = what;
	strike_at = last;
	ask(fd, since);
	(void)read_struck(fd, sign);
	assert_true(gate_wait(&handled, before + 3));
	assert_int_equal(strike_at, 0);
	assert_int_equal(looks_of_last, last); /* it did as the one before: it was not looked at */
	assert_int_equal(close(fd), 0);
}

static void parking__message_in_between__told(void **state)
{
	(void)state;
	assert_told_when_it_comes_in_between(send_message, "\"body\":\"struck\"");
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

/* Nothing has come since the token, which did not take all of the messages. */
static void parking__messages_left_of_the_answer_before__told(void **state)
{
	(void)state;
	struct str since = sync_all();
	for (int i = 0; i < 101; i++) {
		send_to_device();
	}
	int fd = client_connect(http_server_port(server, 0));
	for (int i = 0; i < 2; i++) {
		ask(fd, since);
		since = read_struck(fd, "\"org.example.struck\"");
	}
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parking__message_in_between__told),
		cmocka_unit_test(parking__account_data_in_between__told),
		cmocka_unit_test(parking__message_to_the_device_in_between__told),
		cmocka_unit_test(parking__messages_left_of_the_answer_before__told),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
