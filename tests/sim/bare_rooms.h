/**
 * What the tests of rooms share: a homeserver without HTTP on a database of the program's own, and rooms with users @u0:hs, @u1:hs … All static: each
 * test file is a program of its own.
 */
#ifndef BELFRY_TESTS_SIM_BARE_ROOMS_H
#define BELFRY_TESTS_SIM_BARE_ROOMS_H

#include "homeserver/room/rooms.h"
#include "tests/sim/bare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

static struct homeserver hs;
static struct str url;

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_server, tear_down_server)

/* --- a homeserver without HTTP ---------------------------------------------------------------------------- */

/** Also again, after bare_stop(). */
MAYBE_UNUSED static void start(void)
{
	bare_start(&hs, url, &(struct settings){0}, NULL);
}

/** For cmocka's group. */
MAYBE_UNUSED static int set_up(void **state)
{
	(void)state;
	url = bare_database();
	return 0;
}

/** For each test. */
MAYBE_UNUSED static int set_up_server(void **state)
{
	(void)state;
	start();
	return 0;
}

MAYBE_UNUSED static int tear_down_server(void **state)
{
	(void)state;
	bare_stop(&hs);
	return 0;
}

/** A number that the database says; a wrong statement fails the test. */
MAYBE_UNUSED static int64_t ask_number(struct str room_id, const char *sql)
{
	return bare_ask(url, room_id, sql);
}

/* --- making rooms -------------------------------------------------------------------------------------------- */

MAYBE_UNUSED static struct user_id user_of(struct arena *arena, int number)
{
	return (struct user_id){str_printf(arena, "@u%d:hs", number)};
}

MAYBE_UNUSED static const struct json *content_of(struct arena *arena, const char *text)
{
	struct json *content = ARENA_NEW(arena, struct json);
	assert_int_equal(json_parse(arena, str_of(text), NULL, content, NULL), JSON_OK);
	return content;
}

MAYBE_UNUSED static struct room_intent state_intent(struct arena *arena, struct user_id sender,
	const char *type, struct str state_key, const char *content)
{
	return (struct room_intent){.sender = sender,
		.type = str_of(type),
		.is_state = true,
		.state_key = state_key,
		.content = content_of(arena, content)};
}

/** A public room of @u0:hs, in which everybody may change everything. @param alias  NULL: none */
MAYBE_UNUSED static enum err make_room(struct ctx *ctx, const char *version, const char *alias,
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

MAYBE_UNUSED static enum err join(struct ctx *ctx, struct room *room, int user)
{
	struct user_id me = user_of(ctx->arena, user);
	const struct room_intent intent =
		state_intent(ctx->arena, me, "m.room.member", me.s, "{\"membership\":\"join\"}");
	return room_add(ctx, &hs, room, &intent, 1, NULL);
}

MAYBE_UNUSED static struct str transaction_key(struct arena *arena, int64_t number)
{
	return str_printf(arena, "%016lld", (long long)number);
}

/** Of the user with this number, with a transaction id of a device. */
MAYBE_UNUSED static struct room_intent message_intent(struct arena *arena, int user,
	const char *content, int64_t txn)
{
	return (struct room_intent){.sender = user_of(arena, user),
		.type = STR("m.room.message"),
		.content = content_of(arena, content),
		.txn_key = transaction_key(arena, txn),
		.txn_device = STR("MY DEVICE"),
		.txn_id = str_printf(arena, "t%lld", (long long)txn)};
}

MAYBE_UNUSED static enum err redact(struct ctx *ctx, struct room *room, int user,
	struct str event_id)
{
	const struct room_intent intent = {.sender = user_of(ctx->arena, user),
		.type = STR("m.room.redaction"),
		.content = content_of(ctx->arena, "{}"),
		.redacts = event_id};
	return room_add(ctx, &hs, room, &intent, 1, NULL);
}

#endif
