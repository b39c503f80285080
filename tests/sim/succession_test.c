/*
 * Rooms that take the place of others, where the old one has a policy server: that has its word in between, and meanwhile somebody else may do the
 * same in the same millisecond, which makes the same room.
 */
#include "base/b64.h"
#include "matrix/policy_server.h"
#include "matrix/sign.h"
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

enum { UPGRADES = 2 };

/* The policy server, which is this server itself. */
static struct {
	struct event_signer signer;
	const char *words[UPGRADES]; /* what each upgrade's tombstone says */
	struct str made;             /* the room */
	int begun;
} policy;

static int64_t now_ms = 1700000000000;

static int64_t wall_ms(void *self)
{
	(void)self;
	return now_ms;
}

static const struct json *content_of(struct arena *arena, const char *text)
{
	struct json *content = ARENA_NEW(arena, struct json);
	assert_int_equal(json_parse(arena, str_of(text), NULL, content, NULL), JSON_OK);
	return content;
}

static struct room_intent intent_of(struct arena *arena, const char *type, const char *state_key,
	const char *content)
{
	return (struct room_intent){
		.sender = {STR(OURS)},
		.type = str_of(type),
		.is_state = true,
		.state_key = str_of(state_key),
		.content = content_of(arena, content),
	};
}

/* A room with a policy server. */
static struct room *make_old(struct ctx *ctx)
{
	struct arena *arena = ctx->arena;
	unsigned char raw[ED25519_PUBLIC_BYTES];
	ed25519_public(policy.signer.key, raw);
	struct str key = b64_encode(arena, str_from((const char *)raw, sizeof(raw)));
	const struct room_intent intents[] = {
		intent_of(arena, "m.room.create", "", "{\"room_version\":\"12\"}"),
		intent_of(arena, "m.room.member", OURS, "{\"membership\":\"join\"}"),
		intent_of(arena, "m.room.policy", "",
			arena_printf(arena, "{\"via\":\"hs\",\"public_keys\":{\"ed25519\":\"%.*s\"}}",
				STR_ARG(key))),
	};
	const struct room_start start = {.version = room_version_find(STR("12")),
		.intents = intents,
		.count = COUNT_OF(intents)};
	struct room *room;
	assert_int_equal(rooms_add_new(ctx, &servers[0].hs, &start, &room), ERR_OK);
	return room;
}

/* One more upgrade of the room. */
static void upgrade(struct ctx *ctx, struct room *old)
{
	struct arena *arena = ctx->arena;
	int number = policy.begun++;
	const struct room_intent intents[] = {
		intent_of(arena, "m.room.create", "",
			arena_printf(arena, "{\"room_version\":\"12\",\"predecessor\":{\"room_id\":\"%.*s\"}}",
				STR_ARG(room_id_of(old).s))),
		intent_of(arena, "m.room.member", OURS, "{\"membership\":\"join\"}"),
	};
	const struct room_start start = {.version = room_version_find(STR("12")),
		.intents = intents,
		.count = COUNT_OF(intents)};
	const struct json *words =
		content_of(arena, arena_printf(arena, "{\"body\":\"%s\"}", policy.words[number]));
	const struct room_premise no_other = {.type = STR("m.room.tombstone"), .state_key = STR("")};
	const struct room_succession how = {.old = old,
		.by = {STR(OURS)},
		.tombstone = words,
		.premise = &no_other};
	struct room *room;
	enum err err = rooms_replace(ctx, &servers[0].hs, &start, &how, &room);
	assert_int_equal(err, number == 0 ? ERR_CONFLICT : ERR_OK);
	policy.made = number == 0 ? policy.made : room_id_of(room).s;
}

/* Signs; the first time only once another upgrade has come before this one. From then on the time goes on. */
static enum err sign(void *self, struct ctx *ctx, struct server_name server,
	const struct event *event, struct json *out)
{
	(void)server;
	if (policy.begun < UPGRADES) {
		upgrade(ctx, self);
		now_ms++;
	}
	const struct json signed_event =
		event_sign(ctx->arena, event->version, event_json(ctx->arena, event), &policy.signer);
	*out = *json_at(&signed_event, "signatures");
	return ERR_OK;
}

static void check_two_upgrades(const char *first, const char *second)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct homeserver *hs = &servers[0].hs;
	const unsigned char seed[32] = {4};
	ctx_init(&ctx, arena);
	policy.signer = (struct event_signer){.server = {STR("hs")},
		.key_id = STR(POLICY_SERVER_KEY_ID),
		.key = ed25519_key_create(seed)};
	policy.words[0] = first;
	policy.words[1] = second;
	policy.begun = 0;
	hs->clock.wall_ms = wall_ms;
	struct room *old = make_old(&ctx);
	hs->ports.policy = (struct policy_port){.self = old, .sign = sign};
	upgrade(&ctx, old);
	assert_int_equal(policy.begun, UPGRADES);
	struct stored_event *tombstone;
	assert_int_equal(
		room_state_event(&ctx, hs, old, STR("m.room.tombstone"), STR(""), POSITION_NOW, &tombstone),
		ERR_OK);
	assert_true(
		str_equals(json_get_str(tombstone->event->content, STR("replacement_room")), policy.made));
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)policy.signer.key);
}

static void rooms_replace__same_words_in_one_millisecond__the_first_counts(void **state)
{
	(void)state;
	check_two_upgrades("moved", "moved");
}

static void rooms_replace__same_room_by_another_tombstone__the_first_counts(void **state)
{
	(void)state;
	check_two_upgrades("moved", "moved away");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rooms_replace__same_words_in_one_millisecond__the_first_counts),
		cmocka_unit_test(rooms_replace__same_room_by_another_tombstone__the_first_counts),
	};
	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
