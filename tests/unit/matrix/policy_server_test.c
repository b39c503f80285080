/*
 * Policy servers: which content names one, what needs no signature, which signatures count.
 */
#include "tests/unit/matrix/sample.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "matrix/policy_server.h"
#include "matrix/sign.h"

static struct arena *arena;
static struct event_signer sender;
static struct event_signer policy_signer;
static struct policy_server server;

static int set_up(void **state)
{
	(void)state;
	static const unsigned char sender_seed[ED25519_SEED_BYTES] = {1};
	static const unsigned char policy_seed[ED25519_SEED_BYTES] = {2};
	arena = arena_create();
	sender = (struct event_signer){{STR("a.example")}, STR("ed25519:k"),
		ed25519_key_create(sender_seed)};
	policy_signer = (struct event_signer){{STR("policy.example")}, STR(POLICY_SERVER_KEY_ID),
		ed25519_key_create(policy_seed)};
	char *bytes = arena_alloc(arena, ED25519_PUBLIC_BYTES);
	ed25519_public(policy_signer.key, (unsigned char *)bytes);
	server = (struct policy_server){policy_signer.server, str_from(bytes, ED25519_PUBLIC_BYTES)};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)sender.key);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)policy_signer.key);
	arena_destroy(arena);
	return 0;
}

/* A message as its sender's server signed it. */
static const struct event *message(size_t body_bytes)
{
	char *body = arena_alloc(arena, body_bytes + 1);
	memset(body, 'x', body_bytes);
	struct json content = json_object(arena, 1);
	content = json_with(arena, &content, STR("body"), json_string(str_from(body, body_bytes)));
	struct event *event;
	const struct event_intent intent = {
		.version = room_version_find(STR("11")),
		.room_id = {STR("!r:a.example")},
		.sender = {STR("@u:a.example")},
		.type = STR("m.room.message"),
		.content = &content,
		.origin_server_ts = 1,
		.depth = 2,
	};
	assert_true(event_build(arena, &intent, &sender, &event).allowed);
	return event;
}

/* What /sign answers: the policy server's signature alone. */
static struct json answer_for(const struct event *event)
{
	struct json bare = json_without(arena, event->tree, STR("signatures"));
	struct json both = event_sign(arena, event->version, &bare, &policy_signer);
	return *json_at(&both, "signatures");
}

static bool reads(const char *content)
{
	struct policy_server named;
	return policy_server_read(arena, sample_json(arena, content), &named);
}

static void read__valid_content__names_server_and_key(void **state)
{
	(void)state;
	struct policy_server named;
	/* The specification's example, whose key is in the URL-safe alphabet. */
	assert_true(policy_server_read(arena,
		sample_json(arena,
			"{'via':'policy.example.org','public_keys':"
			"{'ed25519':'6yhHGKhCiXTSEN2ksjV7kX_N6rBQZ3Xb-M7LlC6NS-s'}}"),
		&named));
	assert_true(str_equals(named.via.s, STR("policy.example.org")));
	assert_int_equal(named.public_key.n, ED25519_PUBLIC_BYTES);
}

static void read__incomplete_content__names_none(void **state)
{
	(void)state;
	assert_false(reads("{}"));
	assert_false(reads("{'via':'a.example'}"));
	assert_false(reads("{'via':'a.example','public_keys':{}}"));
	assert_false(reads("{'via':'a.example','public_keys':'k'}"));
	assert_false(reads("{'via':'a.example','public_keys':{'ed25519':1}}"));
	assert_false(reads("{'via':1,'public_keys':{'ed25519':'AAAA'}}"));
	assert_false(reads("{'via':'no name','public_keys':{'ed25519':'AAAA'}}"));
	assert_false(reads("{'public_keys':{'ed25519':'AAAA'}}"));
}

static void read__key_that_is_none__named_but_nothing_counts_as_signed(void **state)
{
	(void)state;
	struct policy_server named;
	const struct event *event = message(1);
	const struct event *both;
	struct json answer = answer_for(event);
	assert_true(policy_server_read(arena,
		sample_json(arena, "{'via':'policy.example','public_keys':{'ed25519':'AAAA'}}"), &named));
	assert_false(policy_server_add_signature(arena, &named, event, &answer, &both).allowed);
}

static void exempts__policy_event__only_with_empty_state_key(void **state)
{
	(void)state;
	assert_true(policy_server_exempts(STR("m.room.policy"), true, STR("")));
	assert_false(policy_server_exempts(STR("m.room.policy"), true, STR("x")));
	assert_false(policy_server_exempts(STR("m.room.policy"), false, STR("")));
	assert_false(policy_server_exempts(STR("m.room.power_levels"), true, STR("")));
	assert_false(policy_server_exempts(STR("m.room.member"), true, STR("@u:a.example")));
}

static void add_signature__given__beside_the_senders(void **state)
{
	(void)state;
	const struct event *event = message(1);
	const struct event *both = NULL;
	struct json answer = answer_for(event);
	assert_false(policy_server_has_signed(arena, &server, event));
	assert_true(policy_server_add_signature(arena, &server, event, &answer, &both).allowed);
	assert_true(policy_server_has_signed(arena, &server, both));
	assert_true(str_equals(both->event_id.s, event->event_id.s));
	assert_non_null(json_at(json_at(both->tree, "signatures"), "a.example"));
}

static void add_signature__policy_server_is_the_senders__its_own_key_stays(void **state)
{
	(void)state;
	policy_signer.server = sender.server;
	struct policy_server own = {sender.server, server.public_key};
	const struct event *event = message(1);
	const struct event *both = NULL;
	struct json answer = answer_for(event);
	assert_true(policy_server_add_signature(arena, &own, event, &answer, &both).allowed);
	const struct json *theirs = json_at(json_at(both->tree, "signatures"), "a.example");
	assert_non_null(json_at(theirs, "ed25519:k"));
	assert_non_null(json_get(theirs, STR(POLICY_SERVER_KEY_ID)));
}

static void add_signature__of_another_event_or_server_or_key__refused(void **state)
{
	(void)state;
	const struct event *event = message(1);
	const struct event *both = NULL;
	struct json of_another = answer_for(message(2));
	struct json right = answer_for(event);
	struct policy_server other_name = {sender.server, server.public_key};
	char zeros[ED25519_PUBLIC_BYTES] = {0};
	struct policy_server other_key = {server.via, str_from(zeros, sizeof(zeros))};
	struct json nothing = json_object(arena, 0);
	assert_false(policy_server_add_signature(arena, &server, event, &of_another, &both).allowed);
	assert_false(policy_server_add_signature(arena, &server, event, &nothing, &both).allowed);
	assert_false(policy_server_add_signature(arena, &other_name, event, &right, &both).allowed);
	assert_false(policy_server_add_signature(arena, &other_key, event, &right, &both).allowed);
	assert_null(both);
}

static void add_signature__event_at_its_limit__too_large(void **state)
{
	(void)state;
	const struct event *both = NULL;
	size_t other_bytes = message(1)->raw.n - 1;
	const struct event *event = message(EVENT_MAX_BYTES - other_bytes);
	struct json answer = answer_for(event);
	struct verdict verdict = policy_server_add_signature(arena, &server, event, &answer, &both);
	assert_false(verdict.allowed);
	assert_true(str_starts_with(str_of(verdict.rule), STR("event.size")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read__valid_content__names_server_and_key, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(read__incomplete_content__names_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(read__key_that_is_none__named_but_nothing_counts_as_signed,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(exempts__policy_event__only_with_empty_state_key, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(add_signature__given__beside_the_senders, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			add_signature__policy_server_is_the_senders__its_own_key_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(add_signature__of_another_event_or_server_or_key__refused,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(add_signature__event_at_its_limit__too_large, set_up,
			tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
