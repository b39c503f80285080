/*
 * Devices that the server itself runs, on a real PostgreSQL: they are made, signed and supplied with keys; they speak to each other in
 * encrypted rooms, over restarts, and what is replayed, forged or meant for others stays unread.
 */
#include "e2ee/own_device_inner.h"
#include "e2ee/own_inbox.h"
#include "e2ee/room_cipher.h"
#include "e2ee/to_device.h"
#include "homeserver/user/users.h"
#include "storage/account.h"
#include "storage/device.h"
#include "tests/sim/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

static struct homeserver hs;
static struct str url;
static int numbers; /* of users and rooms, each test has its own */

static void start(void)
{
	bare_start(&hs, url, &(struct settings){.to_device_limit = 1000}, NULL);
	hs.e2ee = e2ee_create(&hs);
	e2ee_forget(hs.e2ee, writer_position(hs.writer));
}

static void stop(void)
{
	bare_stop_writer(&hs);
	e2ee_destroy(hs.e2ee);
	bare_stop(&hs);
}

static int set_up_all(void **state)
{
	(void)state;
	url = bare_database();
	return 0;
}

/* One test's world. */
struct scene {
	struct arena *arena;
	struct ctx ctx;
	struct own_device bot;
	struct own_device
		ann; /* a member's device; run by the server as well, so that it can be asked what it reads */
	struct room *room;
	struct str room_id;
};

static struct user_id new_user(struct scene *scene, const char *name)
{
	struct user_id user = {str_printf(scene->arena, "@%s%d:hs", name, ++numbers)};
	const struct account_row row = {.user_id = user.s, .created_at_ms = 1};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(&scene->ctx, hs.db, &tx), ERR_OK);
	assert_int_equal(store_account_insert(&scene->ctx, tx, &row), ERR_OK);
	assert_int_equal(tx_commit(&scene->ctx, &tx), ERR_OK);
	return user;
}

static struct own_device open_device(struct scene *scene, struct user_id user)
{
	struct own_device device;
	assert_int_equal(own_device_open(&scene->ctx, &hs, user, STR("Notices"), &device), ERR_OK);
	return device;
}

static const struct json *content_of(struct scene *scene, const char *text)
{
	struct json *content = ARENA_NEW(scene->arena, struct json);
	assert_int_equal(json_parse(scene->arena, str_of(text), NULL, content, NULL), JSON_OK);
	return content;
}

static struct room_intent state_intent(struct scene *scene, struct user_id sender, const char *type,
	struct str state_key, const char *content)
{
	return (struct room_intent){.sender = sender,
		.type = str_of(type),
		.is_state = true,
		.state_key = state_key,
		.content = content_of(scene, content)};
}

static void set_state(struct scene *scene, struct user_id sender, const char *type,
	struct str state_key, const char *content)
{
	const struct room_intent intent = state_intent(scene, sender, type, state_key, content);
	assert_int_equal(room_add(&scene->ctx, &hs, scene->room, &intent, 1, NULL), ERR_OK);
}

static void join(struct scene *scene, struct user_id user)
{
	set_state(scene, user, "m.room.member", user.s, "{\"membership\":\"join\"}");
}

static void make_room(struct scene *scene, const char *encryption)
{
	struct user_id bot = scene->bot.user;
	const struct room_intent intents[] = {
		state_intent(scene, bot, "m.room.create", STR(""), "{\"room_version\":\"12\"}"),
		state_intent(scene, bot, "m.room.member", bot.s, "{\"membership\":\"join\"}"),
		state_intent(scene, bot, "m.room.power_levels", STR(""), "{}"),
		state_intent(scene, bot, "m.room.join_rules", STR(""), "{\"join_rule\":\"public\"}"),
		state_intent(scene, bot, "m.room.encryption", STR(""), encryption),
	};
	const struct room_start start_with = {.version = room_version_find(STR("12")),
		.intents = intents,
		.count = COUNT_OF(intents)};
	assert_int_equal(rooms_add_new(&scene->ctx, &hs, &start_with, &scene->room), ERR_OK);
	scene->room_id = room_id_of(scene->room).s;
	join(scene, scene->ann.user);
}

#define MEGOLM "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}"

static void scene_init(struct scene *scene, const char *encryption)
{
	start();
	scene->arena = arena_create();
	ctx_init(&scene->ctx, scene->arena);
	scene->bot = open_device(scene, new_user(scene, "bot"));
	scene->ann = open_device(scene, new_user(scene, "ann"));
	make_room(scene, encryption);
}

static void scene_fini(struct scene *scene)
{
	arena_destroy(scene->arena);
	stop();
}

/* As another process would go on after this one ended at any moment. */
static void restart(struct scene *scene)
{
	struct str texts[3] = {scene->bot.user.s, scene->ann.user.s, scene->room_id};
	struct arena *kept = arena_create();
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		texts[i] = str_dup(kept, texts[i]);
	}
	scene_fini(scene);
	start();
	scene->arena = kept;
	ctx_init(&scene->ctx, kept);
	scene->bot = open_device(scene, (struct user_id){texts[0]});
	scene->ann = open_device(scene, (struct user_id){texts[1]});
	scene->room_id = texts[2];
	assert_int_equal(rooms_get(&scene->ctx, &hs, texts[2], &scene->room), ERR_OK);
}

/* --- saying and reading --------------------------------------------------------------------------------------- */

static enum err try_say(struct scene *scene, const struct own_device *from,
	enum share_policy policy, const char *text, struct json *out)
{
	const struct json *content = content_of(scene, text);
	const struct cipher_message message = {.type = STR("m.room.message"),
		.content = content,
		.policy = policy};
	return room_cipher_encrypt(&scene->ctx, &hs, from, scene->room, &message, out);
}

/* An event as it would come from the room. */
static struct event *say(struct scene *scene, const struct own_device *from, const char *text)
{
	static int events;
	struct json *content = ARENA_NEW(scene->arena, struct json);
	struct event *event = ARENA_NEW(scene->arena, struct event);
	assert_int_equal(try_say(scene, from, SHARE_ALL, text, content), ERR_OK);
	*event = (struct event){
		.event_id = {str_printf(scene->arena, "$event%d", ++events)},
		.room_id = {scene->room_id},
		.sender = from->user,
		.type = STR("m.room.encrypted"),
		.content = content,
	};
	return event;
}

static void take_messages(struct scene *scene)
{
	int64_t newest = writer_position(hs.writer);
	int64_t reached;
	assert_int_equal(own_inbox_consume(&scene->ctx, &hs, NULL, newest, newest, &reached), ERR_OK);
}

static enum err try_read(struct scene *scene, const struct own_device *reader,
	const struct event *event, struct cipher_plain *out)
{
	return room_cipher_decrypt(&scene->ctx, &hs, reader, event, out);
}

static void assert_reads(struct scene *scene, const struct own_device *reader,
	const struct event *event, const char *body)
{
	struct cipher_plain plain;
	assert_int_equal(try_read(scene, reader, event, &plain), ERR_OK);
	assert_true(str_equals(plain.type, STR("m.room.message")));
	assert_true(str_equals(json_get_str(plain.content, STR("body")), str_of(body)));
	assert_true(plain.device_id.n > 0 && plain.master_key.n > 0);
}

static struct str session_of(const struct event *event)
{
	return json_get_str(event->content, STR("session_id"));
}

static int64_t count(const char *sql, struct str first)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	PGconn *conn = PQconnectdb(str_cstr(arena, url));
	const char *const values[] = {str_cstr(arena, first)};
	PGresult *result = PQexecParams(conn, sql, 1, NULL, values, NULL, NULL, 0);
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	return number;
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void own_device__made__signed_and_supplied_and_the_same_again(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct peer_devices peers;
	struct str user_id = scene.bot.user.s;
	assert_int_equal(peer_devices_find(&scene.ctx, &hs, scene.ann.user.s, &user_id, 1, 1, &peers),
		ERR_OK);
	assert_int_equal(peers.n, 1);
	assert_true(str_equals(peers.p[0].device_id, scene.bot.device_id));
	assert_true(str_equals(peers.p[0].curve25519, scene.bot.identity.curve25519));
	assert_true(peers.p[0].master_key.n == 43);
	assert_int_equal(
		count("SELECT sum(total) FROM one_time_key_counters WHERE user_id = $1", user_id), 50);
	assert_int_equal(count("SELECT count(*) FROM fallback_keys WHERE user_id = $1", user_id), 1);
	struct str device_id = str_dup(scene.arena, scene.bot.device_id);
	struct str ed25519 = str_dup(scene.arena, scene.bot.identity.ed25519);
	struct own_device again = open_device(&scene, scene.bot.user);
	assert_true(str_equals(again.device_id, device_id));
	assert_true(str_equals(again.identity.ed25519, ed25519));
	/* Nothing of it can be read without the key. */
	hs.secrets_key[0] ^= 1;
	assert_int_equal(own_device_open(&scene.ctx, &hs, scene.bot.user, STR("x"), &again),
		ERR_INTERNAL);
	hs.secrets_key[0] ^= 1;
	/* Whoever is not there gets none. */
	assert_int_equal(
		own_device_open(&scene.ctx, &hs, (struct user_id){STR("@nobody:hs")}, STR("x"), &again),
		ERR_MISSING);
	scene_fini(&scene);
}

static void own_device__keys_given_away__new_ones(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct str user_id = scene.bot.user.s;
	const char *free_keys =
		"SELECT sum(total - given) FROM one_time_key_counters WHERE user_id = $1";
	(void)count("WITH x AS (UPDATE one_time_key_counters SET given = total "
				"WHERE user_id = $1 RETURNING 1) SELECT count(*) FROM x",
		user_id);
	(void)count(
		"WITH x AS (UPDATE fallback_keys SET is_used = true WHERE user_id = $1 RETURNING 1) "
		"SELECT count(*) FROM x",
		user_id);
	own_devices_tidy(&scene.ctx, &hs);
	assert_int_equal(count(free_keys, user_id), 50);
	assert_int_equal(
		count("SELECT count(*) FROM fallback_keys WHERE user_id = $1 AND NOT is_used", user_id), 1);
	own_devices_tidy(&scene.ctx, &hs);
	assert_int_equal(count(free_keys, user_id), 50);
	scene_fini(&scene);
}

static void own_device__deleted__comes_back_as_another(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct str old = scene.bot.device_id;
	struct json out;
	assert_int_equal(count("WITH x AS (DELETE FROM devices WHERE user_id = $1 RETURNING 1) "
						   "SELECT count(*) FROM x",
						 scene.bot.user.s),
		1);
	assert_int_equal(try_say(&scene, &scene.bot, SHARE_ALL, "{\"body\":\"x\"}", &out), ERR_MISSING);
	scene.bot = open_device(&scene, scene.bot.user);
	assert_false(str_equals(scene.bot.device_id, old));
	struct event *event = say(&scene, &scene.bot, "{\"body\":\"anew\"}");
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, event, "anew");
	scene_fini(&scene);
}

static void room__both_speak__over_restarts(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct event *first = say(&scene, &scene.bot, "{\"body\":\"hello\"}");
	struct event *second = say(&scene, &scene.bot, "{\"body\":\"again\"}");
	assert_true(str_equals(session_of(first), session_of(second)));
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, second, "again");
	assert_reads(&scene, &scene.ann, first, "hello");
	struct event *answer = say(&scene, &scene.ann, "{\"body\":\"hi\"}");
	take_messages(&scene);
	assert_reads(&scene, &scene.bot, answer, "hi");
	char session[64];
	(void)snprintf(session, sizeof(session), "%.*s", STR_ARG(session_of(first)));
	restart(&scene);
	struct event *later = say(&scene, &scene.bot, "{\"body\":\"later\"}");
	assert_false(str_equals(session_of(later), str_of(session)));
	/* Nor is anything sent by an Olm session of before: the database may have come back from a backup. */
	assert_int_equal(
		count("SELECT sum(given) FROM one_time_key_counters WHERE user_id = $1", scene.ann.user.s),
		2);
	restart(&scene); /* what was sent before it is taken after it */
	struct event *last = say(&scene, &scene.ann, "{\"body\":\"last\"}");
	take_messages(&scene);
	assert_reads(&scene, &scene.bot, last, "last");
	assert_int_equal(count("SELECT count(*) FROM own_room_keys WHERE room_id = $1", scene.room_id),
		4);
	scene_fini(&scene);
}

static void room__rules_and_leaving__new_session(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, "{\"algorithm\":\"m.megolm.v1.aes-sha2\",\"rotation_period_msgs\":2}");
	struct event *events[6];
	events[0] = say(&scene, &scene.bot, "{\"body\":\"0\"}");
	events[1] = say(&scene, &scene.bot, "{\"body\":\"1\"}");
	events[2] = say(&scene, &scene.bot, "{\"body\":\"2\"}");
	assert_true(str_equals(session_of(events[0]), session_of(events[1])));
	assert_false(str_equals(session_of(events[1]), session_of(events[2])));
	set_state(&scene, scene.bot.user, "m.room.encryption", STR(""), MEGOLM);
	struct own_device bob = open_device(&scene, new_user(&scene, "bob"));
	join(&scene, bob.user);
	events[3] = say(&scene, &scene.bot, "{\"body\":\"3\"}");
	assert_true(str_equals(session_of(events[2]), session_of(events[3])));
	set_state(&scene, bob.user, "m.room.member", bob.user.s, "{\"membership\":\"leave\"}");
	events[4] = say(&scene, &scene.bot, "{\"body\":\"4\"}");
	assert_false(str_equals(session_of(events[3]), session_of(events[4])));
	set_state(&scene, scene.bot.user, "m.room.history_visibility", STR(""),
		"{\"history_visibility\":\"joined\"}");
	events[5] = say(&scene, &scene.bot, "{\"body\":\"5\"}");
	assert_false(str_equals(session_of(events[4]), session_of(events[5])));
	take_messages(&scene);
	struct cipher_plain plain;
	/* Who came later reads from then on, until the leaving. */
	assert_int_equal(try_read(&scene, &bob, events[2], &plain), ERR_MISSING);
	assert_int_equal(try_read(&scene, &bob, events[4], &plain), ERR_MISSING);
	assert_reads(&scene, &scene.ann, events[2], "2");
	assert_reads(&scene, &scene.ann, events[5], "5");
	scene_fini(&scene);
}

/* Others may have told her what was said. */
static void room__member_without_a_device_leaves__new_session(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct user_id carol = new_user(&scene, "carol");
	join(&scene, carol);
	struct event *before = say(&scene, &scene.bot, "{\"body\":\"before\"}");
	set_state(&scene, carol, "m.room.member", carol.s, "{\"membership\":\"leave\"}");
	struct event *after = say(&scene, &scene.bot, "{\"body\":\"after\"}");
	assert_false(str_equals(session_of(before), session_of(after)));
	scene_fini(&scene);
}

static void room__device_that_ended__new_session(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct own_device bob = open_device(&scene, new_user(&scene, "bob"));
	join(&scene, bob.user);
	struct event *before = say(&scene, &scene.bot, "{\"body\":\"before\"}");
	assert_int_equal(store_device_delete(&scene.ctx, hs.db, bob.user.s, &bob.device_id, 1), ERR_OK);
	hs.ports.e2ee.devices_changed(&scene.ctx, &hs, bob.user.s);
	struct event *after = say(&scene, &scene.bot, "{\"body\":\"after\"}");
	assert_false(str_equals(session_of(before), session_of(after)));
	scene_fini(&scene);
}

static void room__replayed_moved_or_forged__refused(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct event *event = say(&scene, &scene.bot, "{\"body\":\"x\"}");
	struct cipher_plain plain;
	assert_int_equal(try_read(&scene, &scene.ann, event, &plain), ERR_MISSING);
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, event, "x");
	assert_reads(&scene, &scene.ann, event, "x"); /* the same event may be looked at again */
	struct event replayed = *event;
	replayed.event_id = (struct event_id){STR("$another")};
	assert_int_equal(try_read(&scene, &scene.ann, &replayed, &plain), ERR_DENIED);
	struct event moved = *event;
	moved.room_id = (struct room_id){STR("!another")};
	assert_int_equal(try_read(&scene, &scene.ann, &moved, &plain), ERR_DENIED);
	struct event forged = *event;
	forged.sender = scene.ann.user;
	assert_int_equal(try_read(&scene, &scene.ann, &forged, &plain), ERR_DENIED);
	struct event changed = *event;
	struct json content =
		json_with(scene.arena, event->content, STR("ciphertext"), json_string(STR("AwgAEhA")));
	changed.content = &content;
	assert_int_equal(try_read(&scene, &scene.ann, &changed, &plain), ERR_DENIED);
	scene_fini(&scene);
}

static void room__policy__others_are_told_that_it_is_withheld(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct json out;
	struct cipher_plain plain;
	/* Ann's device is signed no more. */
	(void)count("WITH x AS (DELETE FROM cross_signing_keys WHERE user_id = $1 RETURNING 1) "
				"SELECT count(*) FROM x",
		scene.ann.user.s);
	assert_int_equal(try_say(&scene, &scene.bot, SHARE_CROSS_SIGNED, "{\"body\":\"x\"}", &out),
		ERR_OK);
	const char *withheld =
		"SELECT count(*) FROM device_messages WHERE user_id = $1 "
		"AND message LIKE '%m.room_key.withheld%' AND message LIKE '%m.unverified%'";
	assert_int_equal(count(withheld, scene.ann.user.s), 1);
	assert_int_equal(try_say(&scene, &scene.bot, SHARE_CROSS_SIGNED, "{\"body\":\"y\"}", &out),
		ERR_OK);
	assert_int_equal(count(withheld, scene.ann.user.s), 1);
	take_messages(&scene);
	struct event event = {.event_id = {STR("$x")},
		.room_id = {scene.room_id},
		.sender = scene.bot.user,
		.content = &out};
	assert_int_equal(try_read(&scene, &scene.ann, &event, &plain), ERR_MISSING);
	/* By a list: she reads what is said from now on. */
	const struct cipher_message listed = {.type = STR("m.room.message"),
		.content = content_of(&scene, "{\"body\":\"z\"}"),
		.policy = SHARE_LISTED,
		.listed = &scene.ann.identity.ed25519,
		.listed_n = 1};
	assert_int_equal(room_cipher_encrypt(&scene.ctx, &hs, &scene.bot, scene.room, &listed, &out),
		ERR_OK);
	take_messages(&scene);
	assert_int_equal(try_read(&scene, &scene.ann, &event, &plain), ERR_OK);
	scene_fini(&scene);
}

static void room__device_without_one_time_keys__told_once_and_tried_again(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	const char *told =
		"SELECT count(*) FROM device_messages WHERE user_id = $1 AND message LIKE '%m.no_olm%'";
	(void)count("WITH x AS (DELETE FROM one_time_key_counters WHERE user_id = $1 RETURNING 1), "
				"y AS (DELETE FROM fallback_keys WHERE user_id = $1) SELECT count(*) FROM x",
		scene.ann.user.s);
	(void)say(&scene, &scene.bot, "{\"body\":\"1\"}");
	(void)say(&scene, &scene.bot, "{\"body\":\"2\"}");
	assert_int_equal(count(told, scene.ann.user.s), 1);
	own_devices_tidy(&scene.ctx, &hs); /* new keys for Ann */
	struct event *third = say(&scene, &scene.bot, "{\"body\":\"3\"}");
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, third, "3");
	scene_fini(&scene);
}

static void inbox__stuck_session__renewed_once(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct event *first = say(&scene, &scene.bot, "{\"body\":\"1\"}");
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, first, "1");
	/* Ann's side of the session is lost, as after a restore of hers. */
	(void)count(
		"WITH x AS (DELETE FROM own_olm_sessions WHERE user_id = $1 RETURNING 1) SELECT count(*) FROM x",
		scene.ann.user.s);
	struct json content = json_object(scene.arena, 0);
	struct peer_device ann = {scene.ann.user.s, scene.ann.device_id, scene.ann.identity.curve25519,
		scene.ann.identity.ed25519, {0}};
	for (int i = 0; i < 3; i++) {
		struct own_letter letter = {.to = &ann};
		assert_int_equal(
			own_letters_send(&scene.ctx, &hs, &scene.bot, STR("m.dummy"), &content, &letter, 1),
			ERR_OK);
		assert_true(letter.is_sent);
	}
	take_messages(&scene);
	take_messages(&scene);
	/* One new session, begun by Ann, at both ends. */
	assert_int_equal(count("SELECT count(*) FROM own_peers WHERE user_id = $1", scene.ann.user.s),
		1);
	assert_int_equal(
		count("SELECT count(*) FROM own_olm_sessions WHERE user_id = $1", scene.ann.user.s), 1);
	assert_int_equal(
		count("SELECT count(*) FROM own_olm_sessions WHERE user_id = $1", scene.bot.user.s), 2);
	scene_fini(&scene);
}

static void send_plain(struct scene *scene, struct str sender, struct str type, const char *content)
{
	static int txn;
	struct json devices =
		json_object_of(scene->arena, scene->bot.device_id, *content_of(scene, content));
	struct json messages = json_object_of(scene->arena, scene->bot.user.s, devices);
	const struct to_device_request request = {.sender = sender,
		.device_id = STR("PHONE"),
		.type = type,
		.txn_id = str_printf(scene->arena, "t%d", ++txn),
		.messages = &messages};
	assert_int_equal(to_device_send(&scene->ctx, &hs, &request), ERR_OK);
}

static void inbox__hostile_messages__gone_and_the_rest_goes_on(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct str ann = scene.ann.user.s;
	static const char *const contents[] = {"{}", "{\"algorithm\":5}",
		"{\"algorithm\":\"m.olm.v1.curve25519-aes-sha2\"}",
		"{\"algorithm\":\"m.olm.v1.curve25519-aes-sha2\",\"sender_key\":\"x\",\"ciphertext\":[]}"};
	static const char *const bodies[] = {"", "A", "AwgA", "AwoAEgA", "\\u0000", "!!!!"};
	for (size_t i = 0; i < COUNT_OF(contents); i++) {
		send_plain(&scene, ann, STR("m.room.encrypted"), contents[i]);
		send_plain(&scene, ann, STR("m.room_key"), contents[i]);
		send_plain(&scene, ann, STR("m.forwarded_room_key"), contents[i]);
		send_plain(&scene, ann, STR("m.room_key.withheld"), contents[i]);
		send_plain(&scene, scene.bot.user.s, STR("m.room_key_request"), contents[i]);
	}
	for (size_t i = 0; i < 2 * COUNT_OF(bodies); i++) {
		send_plain(&scene, ann, STR("m.room.encrypted"),
			arena_printf(scene.arena,
				"{\"algorithm\":\"m.olm.v1.curve25519-aes-sha2\",\"sender_key\":\"%.*s\",\"ciphertext\":"
				"{\"%.*s\":{\"type\":%d,\"body\":\"%s\"}}}",
				STR_ARG(scene.ann.identity.ed25519), STR_ARG(scene.bot.identity.curve25519),
				(int)i % 2, bodies[i / 2]));
	}
	struct event *event = say(&scene, &scene.ann, "{\"body\":\"still\"}");
	take_messages(&scene);
	assert_reads(&scene, &scene.bot, event, "still");
	assert_int_equal(
		count("SELECT count(*) FROM device_messages WHERE user_id = $1", scene.bot.user.s), 0);
	assert_int_equal(
		count("SELECT count(*) FROM own_room_keys WHERE user_id = $1", scene.bot.user.s), 1);
	assert_int_equal(count("SELECT count(*) FROM own_peers WHERE user_id = $1", scene.bot.user.s),
		0);
	scene_fini(&scene);
}

static void inbox__room_key_of_foreign_room__not_kept(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct megolm_out *session = megolm_out_create(&hs.rng);
	struct peer_device bot = {scene.bot.user.s, scene.bot.device_id, scene.bot.identity.curve25519,
		scene.bot.identity.ed25519, {0}};
	static const char *const rooms[] = {"!nowhere", NULL};
	for (size_t i = 0; i < COUNT_OF(rooms); i++) {
		struct own_letter letter = {.to = &bot};
		struct json content = json_object(scene.arena, 4);
		json_put(&content, STR("algorithm"), json_string(MEGOLM_ALGORITHM));
		json_put(&content, STR("room_id"),
			json_string(rooms[i] != NULL ? str_of(rooms[i]) : scene.room_id));
		json_put(&content, STR("session_id"), json_string(megolm_out_id(scene.arena, session)));
		json_put(&content, STR("session_key"), json_string(megolm_out_key(scene.arena, session)));
		/* A forwarded key is none, whoever sends it. */
		assert_int_equal(own_letters_send(&scene.ctx, &hs, &scene.ann, STR("m.forwarded_room_key"),
							 &content, &letter, 1),
			ERR_OK);
		take_messages(&scene);
		assert_int_equal(
			count("SELECT count(*) FROM own_room_keys WHERE user_id = $1", scene.bot.user.s), 0);
		assert_int_equal(
			own_letters_send(&scene.ctx, &hs, &scene.ann, STR("m.room_key"), &content, &letter, 1),
			ERR_OK);
		take_messages(&scene);
		assert_int_equal(
			count("SELECT count(*) FROM own_room_keys WHERE user_id = $1", scene.bot.user.s),
			(int64_t)i);
	}
	megolm_out_destroy(session);
	scene_fini(&scene);
}

/* --- keys that are given again ---------------------------------------------------------------------------------- */

static int64_t rows_of(const char *table_and_more, struct str user_id)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	return count(arena_printf(arena, "SELECT count(*) FROM %s user_id = $1", table_and_more),
		user_id);
}

static void lose(const char *table, struct str user_id)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	(void)count(
		arena_printf(arena,
			"WITH x AS (DELETE FROM %s WHERE user_id = $1 RETURNING 1) SELECT count(*) FROM x",
			table),
		user_id);
}

static void ask_for_key(struct scene *scene, struct str sender, struct str device_id,
	struct str session_id)
{
	send_plain(scene, sender, STR("m.room_key_request"),
		arena_printf(scene->arena,
			"{\"action\":\"request\",\"request_id\":\"r\",\"requesting_device_id\":\"%.*s\",\"body\":{"
			"\"algorithm\":\"m.megolm.v1.aes-sha2\",\"room_id\":\"%.*s\",\"session_id\":\"%.*s\"}}",
			STR_ARG(device_id), STR_ARG(scene->room_id), STR_ARG(session_id)));
	take_messages(scene);
}

static void key_request__of_who_was_given_it__given_as_it_was(void **state)
{
	(void)state;
	struct scene scene;
	struct cipher_plain plain;
	scene_init(&scene, MEGOLM);
	struct str ann = scene.ann.user.s;
	struct own_device late = open_device(&scene, new_user(&scene, "late"));
	struct event *first = say(&scene, &scene.bot, "{\"body\":\"1\"}");
	join(&scene, late.user);
	struct event *second = say(&scene, &scene.bot, "{\"body\":\"2\"}");
	assert_true(str_equals(session_of(first), session_of(second)));
	take_messages(&scene);
	lose("own_room_keys", ann);
	lose("own_room_keys", late.user.s);
	ask_for_key(&scene, ann, scene.ann.device_id, session_of(first));
	ask_for_key(&scene, late.user.s, late.device_id, session_of(first));
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, first, "1");
	assert_reads(&scene, &scene.ann, second, "2");
	assert_reads(&scene, &late, second, "2");
	assert_int_equal(try_read(&scene, &late, first, &plain), ERR_MISSING); /* before its time */
	/* It is not given without end. */
	for (int i = 0; i < 5; i++) {
		ask_for_key(&scene, ann, scene.ann.device_id, session_of(first));
	}
	assert_in_range(rows_of("device_messages WHERE", ann), 0, 2);
	scene_fini(&scene);
}

static void key_request__of_others__not_given(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene, MEGOLM);
	struct str ann = scene.ann.user.s;
	const char *unavailable = "device_messages WHERE message LIKE '%m.unavailable%' AND";
	struct user_id stranger = new_user(&scene, "stranger");
	struct own_device strange = open_device(&scene, stranger);
	struct event *first = say(&scene, &scene.bot, "{\"body\":\"1\"}");
	take_messages(&scene);
	/* Not of the room; another device than has it; everybody's devices; a session that is none; the device itself. */
	ask_for_key(&scene, stranger.s, strange.device_id, session_of(first));
	ask_for_key(&scene, ann, STR("*"), session_of(first));
	ask_for_key(&scene, scene.bot.user.s, scene.bot.device_id, session_of(first));
	assert_int_equal(rows_of("device_messages WHERE", stranger.s), 0);
	assert_int_equal(rows_of("device_messages WHERE", ann), 0);
	assert_int_equal(rows_of("device_messages WHERE", scene.bot.user.s), 0);
	ask_for_key(&scene, ann, scene.ann.device_id, STR("unknown"));
	assert_int_equal(rows_of(unavailable, ann), 1);
	/* Of an earlier run. */
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str session_id = str_dup(arena, session_of(first));
	restart(&scene);
	ask_for_key(&scene, scene.ann.user.s, scene.ann.device_id, session_id);
	assert_int_equal(rows_of(unavailable, scene.ann.user.s), 1); /* the other was taken */
	scene_fini(&scene);
}

static void inbox__begun_anew_by_who_lost_all__gets_the_keys_again(void **state)
{
	(void)state;
	struct scene scene;
	struct json nothing;
	scene_init(&scene, MEGOLM);
	struct event *first = say(&scene, &scene.bot, "{\"body\":\"1\"}");
	/* Ann cannot read the message with the key, and begins a new session. */
	lose("device_messages", scene.ann.user.s);
	nothing = json_object(scene.arena, 0);
	struct peer_device bot = {scene.bot.user.s, scene.bot.device_id, scene.bot.identity.curve25519,
		scene.bot.identity.ed25519, {0}};
	struct own_letter letter = {.to = &bot};
	assert_int_equal(
		own_letters_send(&scene.ctx, &hs, &scene.ann, STR("m.dummy"), &nothing, &letter, 1),
		ERR_OK);
	take_messages(&scene);
	take_messages(&scene);
	assert_reads(&scene, &scene.ann, first, "1");
	scene_fini(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_device__made__signed_and_supplied_and_the_same_again),
		cmocka_unit_test(own_device__keys_given_away__new_ones),
		cmocka_unit_test(own_device__deleted__comes_back_as_another),
		cmocka_unit_test(room__both_speak__over_restarts),
		cmocka_unit_test(room__rules_and_leaving__new_session),
		cmocka_unit_test(room__member_without_a_device_leaves__new_session),
		cmocka_unit_test(room__device_that_ended__new_session),
		cmocka_unit_test(room__replayed_moved_or_forged__refused),
		cmocka_unit_test(room__policy__others_are_told_that_it_is_withheld),
		cmocka_unit_test(room__device_without_one_time_keys__told_once_and_tried_again),
		cmocka_unit_test(inbox__stuck_session__renewed_once),
		cmocka_unit_test(inbox__hostile_messages__gone_and_the_rest_goes_on),
		cmocka_unit_test(inbox__room_key_of_foreign_room__not_kept),
		cmocka_unit_test(key_request__of_who_was_given_it__given_as_it_was),
		cmocka_unit_test(key_request__of_others__not_given),
		cmocka_unit_test(inbox__begun_anew_by_who_lost_all__gets_the_keys_again),
	};
	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
