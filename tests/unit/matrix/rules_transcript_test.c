/*
 * Every decision in a few random rooms of each version, written down and compared by its hash with what
 * was decided when the transcript was last compared with Synapse (tests/interop/test_rules_synapse.py
 * does that): 250 attempted events and their resolved states a room, allowed or refused by which rule.
 *
 * With BELFRY_TRANSCRIPT=file the transcript goes there as JSON lines, for that comparison or to see what
 * a changed hash is about. BELFRY_TRANSCRIPT_SEED=number makes other rooms, whose hashes are not checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "matrix/auth.h"
#include "matrix/canonical.h"
#include "tests/support/room_graph.h"

enum {
	ATTEMPTS_PER_ROOM = 250,
	MERGES_PER_ROOM = 40,
	SETS_MAX = 4,
	TRANSCRIPT_BYTES = 64 << 20,
	FIRST_SEED = 1,
};

static const char *const users[] = {"@alice:a.example", "@bob:b.example", "@carol:c.example",
	"@dave:d.example", "@erin:a.example", "@gus:b.example"};

/* SHA-256 of the decisions of each version, first eight bytes. */
static const char *const agreed[12] = {
	"a30c4efea44b32fb", /* version 1 */
	"1354a8d486bc808a", /* version 2 */
	"5952d7d0b11915a1", /* version 3 */
	"1bfad22daf59dfda", /* version 4 */
	"2bbaab993119e94b", /* version 5 */
	"47dc9d0cb5ec4361", /* version 6 */
	"7a935c75329b7200", /* version 7 */
	"d686ae0f4decfcb3", /* version 8 */
	"c9d29a87b2904225", /* version 9 */
	"e131cc0ba80e732d", /* version 10 */
	"e9b04b243cb0fed3", /* version 11 */
	"93954e1820e3f0ee", /* version 12 */
};

static struct arena *arena;
static struct room_builder room;
static struct room_graph graph;
static struct buf transcript; /* JSON lines */
static struct buf decisions;  /* what is hashed */
static uint64_t seed;

static size_t pick(size_t below)
{
	return room_random(&seed, below);
}

static const char *any_user(void)
{
	return users[pick(COUNT_OF(users))];
}

/* ---- writing down ---- */

static int compare_ids(const void *a, const void *b)
{
	const struct event *const *left = a;
	const struct event *const *right = b;
	return str_compare((*left)->event_id.s, (*right)->event_id.s);
}

/* The ids of a state, sorted, as a JSON array. */
static void write_state(struct buf *out, const struct state_map *state)
{
	const struct event **events = ARENA_NEW_ARRAY(arena, const struct event *, state->n + 1);
	size_t n = 0;
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(state, &at)) != NULL) {
		events[n++] = event;
	}
	qsort(events, n, sizeof(events[0]), compare_ids);
	buf_add_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s\"%.*s\"", i > 0 ? "," : "", STR_ARG(events[i]->event_id.s));
	}
	buf_add_byte(out, ']');
}

static void write_event(const struct event *event)
{
	buf_printf(&transcript,
		"{\"kind\":\"event\",\"id\":\"%.*s\",\"pdu\":", STR_ARG(event->event_id.s));
	canonical_write(&transcript, event->tree);
	buf_add_lit(&transcript, "}\n");
}

static void write_verdict(const struct event *event, const struct state_map *state,
	struct verdict verdict)
{
	buf_printf(&transcript,
		"{\"kind\":\"auth\",\"id\":\"%.*s\",\"state\":", STR_ARG(event->event_id.s));
	write_state(&transcript, state);
	buf_printf(&transcript, ",\"allowed\":%s,\"rule\":\"%s\"}\n",
		verdict.allowed ? "true" : "false", verdict.allowed ? "" : verdict.rule);
	buf_printf(&decisions, "%.*s %s\n", STR_ARG(event->event_id.s),
		verdict.allowed ? "yes" : verdict.rule);
}

static void write_resolution(const struct state_map *sets, size_t n, const struct state_map *result)
{
	buf_add_lit(&transcript, "{\"kind\":\"resolve\",\"sets\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add(&transcript, i > 0 ? STR(",") : STR(""));
		write_state(&transcript, &sets[i]);
	}
	buf_add_lit(&transcript, "],\"result\":");
	write_state(&transcript, result);
	buf_add_lit(&transcript, "}\n");
	write_state(&decisions, result);
}

/* ---- random events ---- */

/*
 * A level, now and then in a shape that only older versions take. Not one that is no level at all:
 * Synapse fails in every later check of such a room, so that there is nothing to compare.
 */
static const char *any_level(void)
{
	static const int levels[] = {0, 0, 10, 25, 50, 50, 75, 100, 100, -5};
	const int level = levels[pick(COUNT_OF(levels))];
	switch (pick(60)) {
	case 0:
		return arena_printf(arena, room.version->strict_power_levels ? "%d" : "' +%d '",
			abs(level));
	case 1:
		return arena_printf(arena, room.version->strict_power_levels ? "%d" : "'%d'", level);
	case 2:
		return arena_printf(arena, room.version->strict_canonical_json ? "%d" : "%d.75", level);
	case 3:
		return arena_printf(arena, room.version->strict_canonical_json ? "%d" : "%de0", level);
	default:
		return arena_printf(arena, "%d", level);
	}
}

static const char *any_users(void)
{
	const bool has_creators = room.version->privileged_creators;
	const char *text = has_creators ? "" : arena_printf(arena, "'%s':100", users[0]);
	for (size_t i = has_creators && pick(10) == 0 ? 0 : 1; i < COUNT_OF(users); i++) {
		if (pick(4) > 0) {
			const char *level = pick(80) == 0 ? "'x'" : any_level();
			text = arena_printf(arena, "%s%s'%s':%s", text, text[0] != '\0' ? "," : "", users[i],
				level);
		}
	}
	return text;
}

static struct room_draft any_power_levels(const char *sender)
{
	static const char *const names[] = {"state_default", "ban", "redact", "kick", "invite"};
	const char *content = arena_printf(arena, "'users':{%s}", any_users());
	if (pick(3) == 0) {
		content = arena_printf(arena, "%s,'users_default':0", content);
	}
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (pick(3) == 0) {
			content = arena_printf(arena, "%s,'%s':%s", content, names[i], any_level());
		}
	}
	if (pick(3) == 0) {
		const char *name = any_level();
		content = arena_printf(arena, "%s,'events':{'m.room.name':%s,'x.message':%s}", content,
			name, any_level());
	}
	if (pick(3) == 0) {
		content = arena_printf(arena, "%s,'notifications':{'room':%s}", content, any_level());
	}
	return (struct room_draft){.sender = sender,
		.type = "m.room.power_levels",
		.state_key = "",
		.content = arena_printf(arena, "{%s}", content)};
}

static struct room_draft any_membership(const char *sender)
{
	static const char *const memberships[] = {"join", "join", "join", "leave", "ban", "invite",
		"invite", "knock", "odd"};
	const char *target = pick(2) == 0 ? any_user() : sender;
	const char *membership = memberships[pick(COUNT_OF(memberships))];
	struct room_draft draft = {.sender = sender,
		.type = "m.room.member",
		.state_key = target,
		.content = arena_printf(arena, "{'membership':'%s'}", membership)};
	if (pick(4) == 0 && strcmp(membership, "join") == 0) {
		draft.content = arena_printf(arena,
			"{'membership':'join','join_authorised_via_users_server':'%s'}", any_user());
		draft.signatures = "{'a.example':{'ed25519:1':'eA'},'b.example':{'ed25519:1':'eA'},"
						   "'c.example':{'ed25519:1':'eA'},'d.example':{'ed25519:1':'eA'}}";
	}
	return draft;
}

static struct room_draft state_draft(const char *sender, const char *type, const char *key,
	const char *content)
{
	return (
		struct room_draft){.sender = sender, .type = type, .state_key = key, .content = content};
}

static struct room_draft any_draft(void)
{
	static const char *const rules[] = {"public", "public", "invite", "knock", "restricted",
		"knock_restricted", "private"};
	const char *sender = any_user();
	switch (pick(13)) {
	case 0:
	case 1:
		return any_power_levels(sender);
	case 2:
		return state_draft(sender, "m.room.join_rules", "",
			arena_printf(arena, "{'join_rule':'%s'}", rules[pick(COUNT_OF(rules))]));
	case 3:
	case 4:
	case 5:
	case 6:
		return any_membership(sender);
	case 7:
		return state_draft(sender, "m.room.aliases", strchr(any_user(), ':') + 1, "{'aliases':[]}");
	case 8:
		return state_draft(sender, "m.room.third_party_invite",
			arena_printf(arena, "t%zu", pick(3)), "{'display_name':'x'}");
	case 9:
		return state_draft(sender, "x.state", pick(2) == 0 ? "" : any_user(), "{}");
	case 10:
		return (struct room_draft){.sender = sender, .type = "x.message"};
	case 11:
		return state_draft(sender, "m.room.name", "",
			arena_printf(arena, "{'name':'%zu'}", pick(1000)));
	default:
		return state_draft(sender, "m.room.topic", "",
			arena_printf(arena, "{'topic':'%zu'}", pick(1000)));
	}
}

/* ---- rooms ---- */

/* Tries an event behind others; @return whether it was allowed. */
static bool attempt(struct room_node *const *prev, size_t n, const struct room_draft *draft)
{
	struct state_map sets[SETS_MAX];
	for (size_t i = 0; i < n; i++) {
		sets[i] = prev[i]->state;
	}
	const struct state_map before = room_graph_resolve(&graph, prev, n);
	if (n > 1) {
		write_resolution(sets, n, &before);
	}
	const size_t known = graph.nodes.n;
	const struct event *tried = NULL;
	const bool is_added = room_graph_try(&graph, prev, n, draft, &tried) != NULL;
	invariant(graph.nodes.n == known + (is_added ? 1 : 0));
	const struct state_view view = state_map_view(&before);
	write_event(tried);
	write_verdict(tried, &before, auth_check(tried, &view));
	return is_added;
}

static void must_add(struct room_draft draft)
{
	struct room_node *last = graph.nodes.n > 0 ? graph.nodes.p[graph.nodes.n - 1] : NULL;
	assert_true(attempt(&last, last != NULL ? 1 : 0, &draft));
}

static void begin_room(void)
{
	const char *more = "";
	if (room.version->privileged_creators && pick(2) == 0) {
		more = ",'additional_creators':['@bob:b.example']";
	}
	if (!room.version->creator_is_sender) {
		more = ",'creator':'@alice:a.example'";
	}
	must_add(state_draft(users[0], "m.room.create", "",
		arena_printf(arena, "{'room_version':'%.*s'%s}", STR_ARG(room.version->id), more)));
	must_add(state_draft(users[0], "m.room.member", users[0], "{'membership':'join'}"));
	must_add(state_draft(users[0], "m.room.join_rules", "", "{'join_rule':'public'}"));
	for (size_t i = 1; i < 5; i++) {
		must_add(state_draft(users[i], "m.room.member", users[i], "{'membership':'join'}"));
	}
}

static void attempt_any(void)
{
	struct room_node *prev[3];
	size_t n = 0;
	const size_t wanted = pick(3) == 0 ? 1 + pick(3) : 1;
	const size_t newest = pick(6) == 0 ? 60 : 10;
	const size_t window = MIN_OF(graph.nodes.n, newest);
	for (size_t i = 0; i < wanted; i++) {
		struct room_node *node = graph.nodes.p[graph.nodes.n - 1 - pick(window)];
		if (n == 0 || (node != prev[0] && (n == 1 || node != prev[1]))) {
			prev[n++] = node;
		}
	}
	struct room_draft draft = any_draft();
	draft.ts = 1000 + (int64_t)pick(40);
	(void)attempt(prev, n, &draft);
}

static void merge_any(void)
{
	struct room_node *nodes[SETS_MAX];
	struct state_map sets[SETS_MAX];
	const size_t n = 2 + pick(SETS_MAX - 1);
	for (size_t i = 0; i < n; i++) {
		nodes[i] = graph.nodes.p[pick(graph.nodes.n)];
		sets[i] = nodes[i]->state;
	}
	const struct state_map result = room_graph_resolve(&graph, nodes, n);
	write_resolution(sets, n, &result);
}

static void save_transcript(int version)
{
	const char *path = getenv("BELFRY_TRANSCRIPT");
	if (path == NULL) {
		return;
	}
	FILE *file = fopen(path, version == 1 ? "w" : "a");
	assert_non_null(file);
	assert_int_equal(fwrite(transcript.p, 1, transcript.n, file), transcript.n);
	assert_int_equal(fclose(file), 0);
}

static void rules__random_rooms__as_agreed(void **state)
{
	const int version = *(const int *)*state;
	const char *other_seed = getenv("BELFRY_TRANSCRIPT_SEED");
	seed = (other_seed != NULL ? strtoull(other_seed, NULL, 10) : FIRST_SEED) +
		(uint64_t)version * 1000000;
	arena = arena_create();
	buf_init(&transcript, TRANSCRIPT_BYTES);
	buf_init(&decisions, TRANSCRIPT_BYTES);
	made_room_builder_init(&room, arena, arena_printf(arena, "%d", version));
	room_graph_init(&graph, &room);
	buf_printf(&transcript, "{\"kind\":\"room\",\"version\":\"%d\"}\n", version);
	begin_room();
	for (size_t i = 0; i < ATTEMPTS_PER_ROOM; i++) {
		attempt_any();
	}
	for (size_t i = 0; i < MERGES_PER_ROOM; i++) {
		merge_any();
	}
	assert_true(buf_ok(&transcript) && buf_ok(&decisions));
	save_transcript(version);
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(buf_str(&decisions), hash);
	const char *text = "";
	for (size_t i = 0; i < 8; i++) {
		text = arena_printf(arena, "%s%02x", text, (unsigned)hash[i]);
	}
	if (other_seed == NULL) {
		assert_string_equal(text, agreed[version - 1]);
	}
	buf_fini(&transcript);
	buf_fini(&decisions);
	made_room_builder_fini(&room);
	arena_destroy(arena);
}

int main(void)
{
	static int versions[12];
	static char names[12][48];
	struct CMUnitTest tests[12];
	for (int i = 0; i < 12; i++) {
		versions[i] = i + 1;
		(void)snprintf(names[i], sizeof(names[i]), "rules_v%d__random_rooms__as_agreed", i + 1);
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = rules__random_rooms__as_agreed,
			.initial_state = &versions[i],
		};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
