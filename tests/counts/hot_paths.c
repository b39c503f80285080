/*
 * The pure hot paths, each run a fixed number of times between two requests to callgrind, which counts their instructions
 * (tools/check-counts). Everything here is the same in each run: keys, texts, times.
 *
 * usage: hot_paths      under valgrind --tool=callgrind; without it only shows that all still runs
 */
#include <stdio.h>
#include <stdlib.h>

#include <valgrind/callgrind.h>

#include "base/json_out.h"
#include "homeserver/room/stored_event.h"
#include "matrix/auth.h"
#include "matrix/event_build.h"
#include "matrix/push_eval.h"
#include "matrix/sign.h"
#include "matrix/sliding_state.h"
#include "matrix/transaction.h"
#include "tests/support/room_builder.h"

enum { MEMBERS = 1000, PDUS = 50, FORK_CHANGES = 20, FOLLOWED = 500, TEXT_MAX_BYTES = 1 << 20 };

#define ALICE "@alice:a.example"
#define TEXT \
	"{'msgtype':'m.text','body':'明天停課,請轉告家長 No school tomorrow','m.mentions':{'user_ids':['@m7:a.example']}}"

/* Of all paths; made once. */
static struct arena *kept;
static struct arena *scratch; /* of one run */
static struct room_builder room;
static struct event_signer signer;
static unsigned char public_key[ED25519_PUBLIC_BYTES];
static struct event_intent intent;
static struct event *message;
static struct str signed_text;
static struct str transaction_text;
static struct state_map forks[2];
static struct sliding_state followed;

static void expect(bool holds, const char *what)
{
	if (!holds) {
		(void)fprintf(stderr, "hot_paths: %s\n", what);
		abort();
	}
}

static struct json *parse(struct arena *arena, struct str text)
{
	struct json *value = ARENA_NEW(arena, struct json);
	expect(json_parse(arena, text, NULL, value, NULL) == JSON_OK, "no JSON");
	return value;
}

/* --- the room ------------------------------------------------------------------------------------------------- */

static void make_room(void)
{
	made_room_builder_init(&room, kept, "11");
	(void)made_room_add_create(&room, ALICE, NULL);
	(void)made_room_add_member(&room, ALICE, ALICE, "join");
	(void)made_room_add_state(&room, ALICE, "m.room.power_levels",
		"{'users':{'" ALICE "':100,'@m1:a.example':50},'events':{'m.room.name':50}}");
	(void)made_room_add_state(&room, ALICE, "m.room.join_rules", "{'join_rule':'public'}");
	for (int i = 0; i < MEMBERS; i++) {
		const char *user = arena_printf(kept, "@m%d:a.example", i);
		(void)made_room_add_member(&room, user, user, "join");
	}
}

/* Two sides of a partition: people come and go on one, the topic and levels change on the other. */
static void make_forks(void)
{
	const struct event *split = room.last;
	struct state_map before = made_room_state_copy(&room);
	for (int i = 0; i < FORK_CHANGES; i++) {
		const char *user = arena_printf(kept, "@m%d:a.example", 10 + i);
		(void)made_room_add_member(&room, user, user, "leave");
	}
	forks[0] = made_room_state_copy(&room);
	room.state = before;
	room.last = split;
	for (int i = 0; i < FORK_CHANGES; i++) {
		(void)made_room_add_state(&room, ALICE, "m.room.topic", "{'topic':'t'}");
	}
	(void)made_room_add_state(&room, ALICE, "m.room.power_levels",
		"{'users':{'" ALICE "':100,'@m1:a.example':60},'events':{'m.room.name':60}}");
	forks[1] = made_room_state_copy(&room);
}

static void make_message(void)
{
	static const unsigned char seed[ED25519_SEED_BYTES] = {7};
	struct event_id *ids = ARENA_NEW_ARRAY(kept, struct event_id, 4);
	signer = (struct event_signer){.server = {STR("a.example")},
		.key_id = STR("ed25519:k"),
		.key = ed25519_key_create(seed)};
	ed25519_public(signer.key, public_key);
	ids[0] = room.last->event_id;
	ids[1] = state_map_get(&room.state, STR("m.room.create"), STR(""))->event_id;
	ids[2] = state_map_get(&room.state, STR("m.room.power_levels"), STR(""))->event_id;
	ids[3] = state_map_get(&room.state, STR("m.room.member"), STR(ALICE))->event_id;
	intent = (struct event_intent){
		.version = room.version,
		.room_id = {room.room_id},
		.sender = {STR(ALICE)},
		.type = STR("m.room.message"),
		.content = made_room_json(kept, TEXT),
		.origin_server_ts = 1700000000000,
		.depth = room.last->depth + 1,
		.prev_events = ids,
		.prev_count = 1,
		.auth_events = ids + 1,
		.auth_count = 3,
	};
	expect(event_build(kept, &intent, &signer, &message).allowed, "the message is not built");
	struct buf text;
	struct json_out out;
	buf_init(&text, TEXT_MAX_BYTES);
	json_out_init(&out, &text);
	json_out_value(&out, message->tree);
	signed_text = str_dup(kept, buf_str(&text));
	buf_clear(&text);
	json_out_init(&out, &text);
	json_out_object(&out);
	json_out_key_array(&out, "pdus");
	for (int i = 0; i < PDUS; i++) {
		json_out_raw(&out, signed_text);
	}
	json_out_end(&out);
	json_out_end(&out);
	transaction_text = str_dup(kept, buf_str(&text));
	buf_fini(&text);
}

/* --- the paths ------------------------------------------------------------------------------------------------- */

static void build_event(void)
{
	struct event *event;
	expect(event_build(scratch, &intent, &signer, &event).allowed, "not built");
}

static void check_event(void)
{
	struct event *event;
	const struct json *json = parse(scratch, signed_text);
	expect(event_parse(scratch, room.version, json, &event).allowed, "not parsed");
	expect(event_verify(scratch, room.version, event->tree, signer.server.s, signer.key_id,
			   str_from((const char *)public_key, sizeof(public_key))),
		"the signature is wrong");
	expect(event_hash_is_valid(scratch, event->tree), "the hash is wrong");
}

static void authorise_message(void)
{
	struct state_view view = state_map_view(&room.state);
	expect(auth_check(message, &view).allowed, "not allowed");
}

static void authorise_member(void)
{
	struct state_view view = state_map_view(&room.state);
	const struct event *member =
		state_map_get(&room.state, STR("m.room.member"), STR("@m500:a.example"));
	expect(auth_check(member, &view).allowed, "not allowed");
}

static void resolve(void)
{
	struct event_source source = made_room_source(&room);
	struct state_map out;
	resolve_state(scratch, room.version, forks, COUNT_OF(forks), &source, &out);
	expect(out.n == forks[1].n, "resolved to another state");
}

static void evaluate_push(void)
{
	struct state_view view = state_map_view(&room.state);
	const struct push_facts facts = {.event = message, .state = &view, .member_count = MEMBERS + 1};
	struct push_generic generic = push_eval_generic(scratch, &facts);
	expect(generic.notify && generic.mentioned_count == 1, "pushed otherwise");
}

static void read_transaction(void)
{
	struct transaction transaction;
	struct field_error error;
	expect(transaction_read(scratch, parse(scratch, transaction_text), &transaction, &error),
		"the transaction is wrong");
	expect(transaction.pdu_count == PDUS, "PDUs are missing");
}

/* What a client gets of an event that is read from the database. */
static void load_event(void)
{
	const struct event_row row = {.room_nid = 1,
		.position = 7,
		.event_id = message->event_id.s,
		.json = message->raw};
	struct stored_event *event = stored_event_create(room.version, room.room_id, &row);
	expect(event->client_members.n > 0, "nothing for clients");
	stored_event_unref(event);
}

/* Fifty events of a timeline as text, as a sync's answer has them. */
static void write_timeline(void)
{
	const struct event_row row = {.room_nid = 1,
		.position = 7,
		.event_id = message->event_id.s,
		.json = message->raw};
	struct stored_event *event = stored_event_create(room.version, room.room_id, &row);
	struct buf text;
	struct json_out out;
	buf_init(&text, TEXT_MAX_BYTES);
	json_out_init(&out, &text);
	json_out_array(&out);
	for (int i = 0; i < PDUS; i++) {
		json_out_object(&out);
		json_out_raw(&out, event->client_members);
		json_out_key_object(&out, "unsigned");
		json_out_key_int(&out, "age", 17);
		json_out_end(&out);
		json_out_end(&out);
	}
	json_out_end(&out);
	expect(buf_ok(&text), "no memory");
	buf_fini(&text);
	stored_event_unref(event);
}

/* A client of sliding sync follows all of its rooms, and there is something new of one: the others stay as they are. */
static struct sliding_state follow(struct arena *arena, const struct sliding_state *before,
	int64_t stirred)
{
	static const struct sliding_config config = {.timeline_limit = 20};
	struct sliding_change *change = sliding_change_begin(arena, before);
	for (int64_t nid = 1; nid <= FOLLOWED; nid++) {
		sliding_change_told(change, nid, SLIDING_RECEIPTS);
		sliding_change_told(change, nid, SLIDING_ACCOUNT_DATA);
		sliding_change_told(change, nid, SLIDING_EVENTS);
		sliding_change_config(change, nid, &config);
	}
	sliding_change_missed(change, stirred, SLIDING_RECEIPTS, 1);
	expect(sliding_change_is_any(change), "nothing is new");
	return sliding_change_end(change);
}

static void follow_rooms(void)
{
	if (followed.room_n == 0) {
		static const struct sliding_state nothing;
		followed = follow(kept, &nothing, FOLLOWED + 1);
	}
	(void)follow(scratch, &followed, 7);
}

/* What it knows lies in memory as it is stored. */
static void read_followed(void)
{
	static struct str bytes;
	struct sliding_state state;
	if (bytes.p == NULL) {
		follow_rooms();
		bytes = sliding_state_write(kept, &followed);
	}
	expect(sliding_state_read(scratch, bytes, &state) && state.room_n == followed.room_n,
		"cannot be read");
}

static const struct {
	const char *name;
	void (*run)(void);
	int times;
} paths[] = {
	{"event-build", build_event, 20},
	{"event-check", check_event, 20},
	{"authorise-message", authorise_message, 200},
	{"authorise-member", authorise_member, 200},
	{"resolve-forks", resolve, 5},
	{"push-rules", evaluate_push, 100},
	{"transaction-read", read_transaction, 20},
	{"event-load", load_event, 100},
	{"timeline-write", write_timeline, 20},
	{"sliding-follow", follow_rooms, 20},
	{"sliding-read", read_followed, 20},
};

int main(void)
{
	kept = arena_create();
	scratch = arena_create();
	make_room();
	make_message();
	make_forks();
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		paths[i].run(); /* what is made once is not counted */
		arena_reset(scratch);
		CALLGRIND_ZERO_STATS;
		for (int n = 0; n < paths[i].times; n++) {
			paths[i].run();
			arena_reset(scratch);
		}
		CALLGRIND_DUMP_STATS_AT(paths[i].name);
		(void)printf("%s %d\n", paths[i].name, paths[i].times);
	}
	made_room_builder_fini(&room);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	arena_destroy(scratch);
	arena_destroy(kept);
	return 0;
}
