/**
 * The rooms in which rules of authorisation are tried, and what of an event cannot be written as a draft.
 *
 * alice is the creator; bob and peer are moderators (50), carol a member (0), erin invited, frank banned, gina left, kim knocks (where there is
 * knocking), dave was never there. All static: each test file is a program of its own.
 */
#ifndef BELFRY_TESTS_UNIT_MATRIX_AUTH_ROOM_H
#define BELFRY_TESTS_UNIT_MATRIX_AUTH_ROOM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/b64.h"
#include "matrix/auth_rule.h"
#include "matrix/canonical.h"
#include "matrix/sign.h"
#include "tests/support/room_builder.h"

#define ALICE "@alice:a.example"
#define BOB "@bob:b.example"
#define PEER "@peer:b.example"
#define CAROL "@carol:c.example"
#define DAVE "@dave:d.example"
#define ERIN "@erin:e.example"
#define FRANK "@frank:f.example"
#define GINA "@gina:g.example"
#define KIM "@kim:k.example"

/** Changes what cannot be written as a draft. */
typedef void tweak(struct room_builder *room, struct event *event);

/** One side of a case: how the room differs from the usual, and the event. */
struct side {
	const char *create;    /* more members for the create event's content */
	const char *join_rule; /* NULL: invite */
	const char *power; /* members that replace those of the power levels; "none": no such event */
	struct room_draft draft;
	tweak *change;
};

static struct room_builder room;
static struct arena *arena;
static unsigned char signing_seed[ED25519_SEED_BYTES] = {7};

/* ---- the room ---- */

MAYBE_UNUSED static const char *power_levels(const char *changes)
{
	const bool has_creators = room.version->privileged_creators;
	return arena_printf(arena,
		"{'users':{%s'" BOB "':50,'" PEER "':50},'invite':25,'ban':50,'kick':50,'redact':50,"
		"'events':{'m.room.power_levels':50,'m.room.name':50,'x.high':75},"
		"'notifications':{'room':50,'high':75}%s%s}",
		has_creators ? "" : "'" ALICE "':100,", changes != NULL ? "," : "",
		changes != NULL ? changes : "");
}

/* The usual content with members replaced: later ones win. */
MAYBE_UNUSED static const char *merged_levels(const char *changes)
{
	const struct json *usual = made_room_json(arena, power_levels(NULL));
	const struct json *more = made_room_json(arena, arena_printf(arena, "{%s}", changes));
	struct json merged = *usual;
	for (size_t i = 0; i < more->count; i++) {
		merged = json_with(arena, &merged, more->members[i].key, more->members[i].value);
	}
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, 1 << 20);
	canonical_write(&text, &merged);
	return str_cstr(arena, buf_str(&text));
}

MAYBE_UNUSED static void apply_state(const char *sender, const char *type, const char *key,
	const char *content)
{
	made_room_apply(&room,
		made_room_make(&room,
			&(struct room_draft){.sender = sender,
				.type = type,
				.state_key = key,
				.content = content}));
}

MAYBE_UNUSED static void add_users(bool may_be_closed)
{
	made_room_add_state(&room, ALICE, "m.room.join_rules", "{'join_rule':'public'}");
	static const char *const members[] = {BOB, PEER, CAROL, FRANK, GINA};
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (may_be_closed) { /* to their servers: they got in some other way */
			apply_state(members[i], "m.room.member", members[i], "{'membership':'join'}");
		} else {
			made_room_add_member(&room, members[i], members[i], "join");
		}
	}
	made_room_add_member(&room, ALICE, ERIN, "invite");
	made_room_add_member(&room, ALICE, FRANK, "ban");
	apply_state(GINA, "m.room.member", GINA, "{'membership':'leave'}");
	if (room.version->allows_knocking) {
		apply_state(KIM, "m.room.member", KIM, "{'membership':'knock'}");
	}
}

/** The usual room of a version, but for what the side says. Ends by made_room_builder_fini(). */
MAYBE_UNUSED static void build(const struct side *side, int version)
{
	made_room_builder_init(&room, arena, arena_printf(arena, "%d", version));
	made_room_add_create(&room, ALICE, side->create);
	made_room_add_member(&room, ALICE, ALICE, "join");
	add_users(side->create != NULL);
	if (side->power == NULL) {
		made_room_add_state(&room, ALICE, "m.room.power_levels", power_levels(NULL));
	} else if (strcmp(side->power, "none") != 0) {
		apply_state(ALICE, "m.room.power_levels", "", merged_levels(side->power));
	}
	apply_state(ALICE, "m.room.join_rules", "",
		arena_printf(arena, "{'join_rule':'%s'}",
			side->join_rule != NULL ? side->join_rule : "invite"));
}

/* ---- changes that drafts cannot express ---- */

MAYBE_UNUSED static void tweak_room_id(struct room_builder *r, struct event *event)
{
	(void)r;
	event->room_id.s = STR("!other:a.example");
}

/* A create event of another room is in the state. */
MAYBE_UNUSED static void tweak_foreign_create(struct room_builder *r, struct event *event)
{
	(void)event;
	struct event *foreign = ARENA_NEW(arena, struct event);
	*foreign = *state_map_get(&r->state, STR("m.room.create"), STR(""));
	foreign->room_id.s = STR("!other:a.example");
	foreign->event_id.s = STR("$other:a.example");
	(void)state_map_put(&r->state, foreign);
}

MAYBE_UNUSED static void tweak_no_create(struct room_builder *r, struct event *event)
{
	(void)event;
	(void)state_map_remove(&r->state, STR("m.room.create"), STR(""));
}

MAYBE_UNUSED static void tweak_no_state_key(struct room_builder *r, struct event *event)
{
	(void)r;
	event->is_state = false;
	event->state_key = (struct str){0};
}

MAYBE_UNUSED static void tweak_has_room_id(struct room_builder *r, struct event *event)
{
	(void)r;
	struct json *json = ARENA_NEW(arena, struct json);
	*json = json_with(arena, event->tree, STR("room_id"), json_string(STR("!own")));
	event->tree = json;
}

MAYBE_UNUSED static void tweak_has_prev(struct room_builder *r, struct event *event)
{
	event->prev_events = &r->last->event_id;
	event->prev_count = 1;
}

/* Its only previous event is the create event, but the user is not the creator. */
MAYBE_UNUSED static void tweak_prev_is_create(struct room_builder *r, struct event *event)
{
	event->prev_events = &state_map_get(&r->state, STR("m.room.create"), STR(""))->event_id;
	event->prev_count = 1;
}

MAYBE_UNUSED static void tweak_redacts_own(struct room_builder *r, struct event *event)
{
	(void)r;
	event->redacts = STR("$some:c.example");
}

MAYBE_UNUSED static void tweak_redacts_foreign(struct room_builder *r, struct event *event)
{
	(void)r;
	event->redacts = STR("$some:a.example");
}

MAYBE_UNUSED static void tweak_redacts_nothing(struct room_builder *r, struct event *event)
{
	(void)r;
	event->redacts = (struct str){0};
}

/* ---- third-party invites ---- */

MAYBE_UNUSED static struct str public_key_text(void)
{
	unsigned char raw[ED25519_PUBLIC_BYTES];
	struct ed25519_key *key = ed25519_key_create(signing_seed);
	ed25519_public(key, raw);
	ed25519_key_destroy(key);
	return b64_encode(arena, str_from((const char *)raw, sizeof(raw)));
}

/* Puts a m.room.third_party_invite by bob into the room, and a signed object into the event. */
MAYBE_UNUSED static void third_party(struct room_builder *r, struct event *event,
	const char *invite_content, const char *signed_object)
{
	const struct event *kept = r->last;
	apply_state(BOB, "m.room.third_party_invite", "tok", invite_content);
	r->last = kept;
	struct ed25519_key *key = ed25519_key_create(signing_seed);
	const struct event_signer signer = {
		.server = {STR("id.example")},
		.key_id = STR("ed25519:0"),
		.key = key,
	};
	struct json *content = ARENA_NEW(arena, struct json);
	struct json invite = json_object(arena, 1);
	if (signed_object != NULL) {
		const struct json signed_json =
			sign_json(arena, made_room_json(arena, signed_object), &signer);
		invite = json_with(arena, &invite, STR("signed"), signed_json);
	}
	*content = json_with(arena, event->content, STR("third_party_invite"), invite);
	event->content = content;
	ed25519_key_destroy(key);
}

MAYBE_UNUSED static const char *invite_with_key(void)
{
	return arena_printf(arena, "{'display_name':'d','public_key':'%.*s'}",
		STR_ARG(public_key_text()));
}

#define SIGNED_DAVE "{'mxid':'" DAVE "','token':'tok'}"

MAYBE_UNUSED static void tweak_invite_good(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), SIGNED_DAVE);
}

MAYBE_UNUSED static void tweak_invite_good_list(struct room_builder *r, struct event *event)
{
	const char *short_keys = "";
	for (int i = 0; i < 64; i++) {
		short_keys = arena_printf(arena, "%s{'public_key':'AAAA'},", short_keys);
	}
	const char *content = arena_printf(arena,
		"{'display_name':'d','public_key':'bad','public_keys':[{},%s{'public_key':'%.*s'}]}",
		short_keys, STR_ARG(public_key_text()));
	third_party(r, event, content, SIGNED_DAVE);
}

MAYBE_UNUSED static void tweak_invite_first_of_list(struct room_builder *r, struct event *event)
{
	const char *content = arena_printf(arena,
		"{'display_name':'d','public_keys':[{'public_key':'%.*s'}]}", STR_ARG(public_key_text()));
	third_party(r, event, content, SIGNED_DAVE);
}

MAYBE_UNUSED static void tweak_invite_unsigned(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), NULL);
}

MAYBE_UNUSED static void tweak_invite_no_mxid(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), "{'token':'tok'}");
}

MAYBE_UNUSED static void tweak_invite_no_token(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), "{'mxid':'" DAVE "'}");
}

MAYBE_UNUSED static void tweak_invite_other_mxid(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), "{'mxid':'" GINA "','token':'tok'}");
}

MAYBE_UNUSED static void tweak_invite_other_token(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), "{'mxid':'" DAVE "','token':'other'}");
}

MAYBE_UNUSED static void tweak_invite_frank(struct room_builder *r, struct event *event)
{
	third_party(r, event, invite_with_key(), "{'mxid':'" FRANK "','token':'tok'}");
}

MAYBE_UNUSED static void tweak_invite_other_key(struct room_builder *r, struct event *event)
{
	third_party(r, event,
		"{'display_name':'d','public_key':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}",
		SIGNED_DAVE);
}

/* One key, and a signature by it behind so many others, whose key ids begin so; only the first 64 of ed25519 are looked at. */
MAYBE_UNUSED static void sign_behind(struct room_builder *r, struct event *event, int count,
	const char *begin)
{
	tweak_invite_good(r, event);
	const struct json *signed_object =
		json_at(json_at(event->content, "third_party_invite"), "signed");
	const struct json *by_id_server = json_at(json_at(signed_object, "signatures"), "id.example");
	char *wrong = arena_alloc(arena, 86); /* 64 zero bytes in base64 */
	memset(wrong, 'A', 86);
	struct json many = json_object(arena, 70);
	for (int i = 0; i < count; i++) {
		many = json_with(arena, &many, str_of(arena_printf(arena, "%s%d", begin, i)),
			json_string(str_from(wrong, 86)));
	}
	many = json_with(arena, &many, STR("ed25519:0"), by_id_server->members[0].value);
	const struct json signatures =
		json_with(arena, made_room_json(arena, "{}"), STR("id.example"), many);
	const struct json with_many = json_with(arena, signed_object, STR("signatures"), signatures);
	const struct json invite =
		json_with(arena, made_room_json(arena, "{}"), STR("signed"), with_many);
	struct json *content = ARENA_NEW(arena, struct json);
	*content = json_with(arena, event->content, STR("third_party_invite"), invite);
	event->content = content;
}

MAYBE_UNUSED static void tweak_invite_last_signature(struct room_builder *r, struct event *event)
{
	sign_behind(r, event, 63, "ed25519:x");
}

MAYBE_UNUSED static void tweak_invite_many_signatures(struct room_builder *r, struct event *event)
{
	sign_behind(r, event, 64, "ed25519:x");
}

MAYBE_UNUSED static void tweak_invite_other_algorithms(struct room_builder *r, struct event *event)
{
	sign_behind(r, event, 69, "rsa:x");
}

/* `signatures` of the signed object replaced. */
MAYBE_UNUSED static void replace_signatures(struct event *event, const char *signatures)
{
	const struct json *invite = json_at(event->content, "third_party_invite");
	const struct json changed = json_with(arena, json_at(invite, "signed"), STR("signatures"),
		*made_room_json(arena, signatures));
	const struct json new_invite = json_with(arena, invite, STR("signed"), changed);
	struct json *content = ARENA_NEW(arena, struct json);
	*content = json_with(arena, event->content, STR("third_party_invite"), new_invite);
	event->content = content;
}

MAYBE_UNUSED static void tweak_invite_odd_signatures(struct room_builder *r, struct event *event)
{
	tweak_invite_good_list(r, event);
	replace_signatures(event,
		"{'a':7,'b':{'rsa:1':'x'},'c':{'ed25519:1':'x'},'d':{'ed25519:2':3},'e':['ed25519:1',1]}");
}

MAYBE_UNUSED static void tweak_invite_no_signatures(struct room_builder *r, struct event *event)
{
	tweak_invite_good_list(r, event);
	replace_signatures(event, "'none'");
}

#endif
