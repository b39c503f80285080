/*
 * Key answers: what is believed, for how long, and what is refused.
 */
#include "tests/unit/base/check.h"

#include "base/b64.h"
#include "matrix/server_keys.h"
#include "matrix/sign.h"

#define NOW INT64_C(1700000000000)
#define DAY (INT64_C(24) * 3600 * 1000)

static struct arena *arena;
static struct event_signer signer;

static int set_up(void **state)
{
	(void)state;
	static const unsigned char seed[ED25519_SEED_BYTES] = {3};
	arena = arena_create();
	signer = (struct event_signer){
		.server = {STR("a.example")},
		.key_id = STR("ed25519:new"),
		.key = ed25519_key_create(seed),
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	arena_destroy(arena);
	return 0;
}

static const struct old_key old_key = {.key_id = STR_INIT("ed25519:old"),
	.public_key = {5},
	.expired_ts = NOW - 100 * DAY};

static struct json answer(int64_t valid_until_ts)
{
	struct str text = server_keys_build(arena, &signer, valid_until_ts, &old_key, 1);
	struct json json;
	assert_int_equal(json_parse(arena, text, NULL, &json, NULL), JSON_OK);
	return json;
}

/* NULL when believed. */
static const char *rule_of(const struct json *json, struct server_keys *out)
{
	return server_keys_parse(arena, json, signer.server, NOW, out).rule;
}

/* The answer with a key changed, and signed anew. */
static struct json changed(const char *key, struct json value)
{
	struct json json = answer(NOW + DAY);
	json = json_without(arena, &json, STR("signatures"));
	json = json_with(arena, &json, str_of(key), value);
	return sign_json(arena, &json, &signer);
}

static void parse__good_answer__keys_with_their_windows(void **state)
{
	(void)state;
	struct json json = answer(NOW + DAY);
	struct server_keys keys;
	assert_null(rule_of(&json, &keys));
	assert_int_equal(keys.count, 2);
	assert_true(keys.valid_until_ts == NOW + DAY);
	const struct server_key *current = server_keys_find(&keys, STR("ed25519:new"));
	const struct server_key *old = server_keys_find(&keys, STR("ed25519:old"));
	assert_false(current->is_old);
	assert_true(old->is_old);
	assert_memory_equal(old->public_key, old_key.public_key, ED25519_PUBLIC_BYTES);
	assert_null(server_keys_find(&keys, STR("ed25519:none")));
	/* Requests: current keys until the end of their window. */
	assert_true(server_key_signs_requests(current, NOW + DAY));
	assert_false(server_key_signs_requests(current, NOW + DAY + 1));
	assert_false(server_key_signs_requests(old, NOW - 200 * DAY));
	const struct server_key given_up = {.is_old = true, .valid_until_ts = NOW + DAY};
	assert_false(server_key_signs_requests(&given_up, NOW));
	/* Events: the window counts from version 5 on; the end of an old key always. */
	const struct room_version *lax = room_version_find(STR("4"));
	const struct room_version *strict = room_version_find(STR("5"));
	assert_true(server_key_signs_event(current, strict, NOW + DAY));
	assert_false(server_key_signs_event(current, strict, NOW + DAY + 1));
	assert_true(server_key_signs_event(current, lax, NOW + 100 * DAY));
	assert_true(server_key_signs_event(old, strict, NOW - 100 * DAY));
	assert_false(server_key_signs_event(old, strict, NOW - 100 * DAY + 1));
	assert_false(server_key_signs_event(old, lax, NOW));
}

/* The private part of this one is Go's ed25519.GenerateKey on the seed 0 of math/rand. */
static void sec_5_44__leaked_key_of_another_server__left_out(void **state)
{
	(void)state;
	struct str seed;
	struct server_keys keys;
	assert_true(b64_decode(arena, STR("AZT9wvov/MBB0/8SBFtzyG5P+V/2YqXu6Cq99EotC3U"), &seed));
	const struct event_signer leaked = {
		.server = signer.server,
		.key_id = signer.key_id,
		.key = ed25519_key_create((const unsigned char *)seed.p),
	};
	struct json json;
	const struct str text = server_keys_build(arena, &leaked, NOW + DAY, NULL, 0);
	assert_int_equal(json_parse(arena, text, NULL, &json, NULL), JSON_OK);
	assert_string_equal(rule_of(&json, &keys), "keys.verify_keys");
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)leaked.key);
}

static void parse__far_validity__seven_days_at_most(void **state)
{
	(void)state;
	struct server_keys keys;
	struct json json = answer(INT64_MAX);
	assert_null(rule_of(&json, &keys));
	assert_true(keys.valid_until_ts == NOW + 7 * DAY);
	assert_true(keys.keys[0].valid_until_ts == NOW + 7 * DAY);
	json = answer(NOW - DAY);
	assert_null(rule_of(&json, &keys));
	assert_false(server_key_signs_requests(&keys.keys[0], NOW));
}

static void parse__malformed__refused_by_name(void **state)
{
	(void)state;
	struct server_keys keys;
	struct json json = json_integer(1);
	assert_string_equal(rule_of(&json, &keys), "keys.shape");
	assert_string_equal(rule_of(NULL, &keys), "keys.shape");
	json = changed("verify_keys", json_string(STR("x")));
	assert_string_equal(rule_of(&json, &keys), "keys.shape");
	json = changed("old_verify_keys", json_integer(1));
	assert_string_equal(rule_of(&json, &keys), "keys.shape");
	json = changed("server_name", json_string(STR("b.example")));
	assert_string_equal(rule_of(&json, &keys), "keys.server_name");
	json = changed("server_name", json_string(STR("A.example")));
	assert_string_equal(rule_of(&json, &keys), "keys.server_name");
	json = changed("valid_until_ts", json_string(STR("1")));
	assert_string_equal(rule_of(&json, &keys), "keys.valid_until_ts");
	json = changed("verify_keys", json_object(arena, 0));
	assert_string_equal(rule_of(&json, &keys), "keys.verify_keys");
	json = changed("old_verify_keys", json_object(arena, 0));
	assert_null(rule_of(&json, &keys));
	json = json_without(arena, &json, STR("signatures"));
	assert_string_equal(rule_of(&json, &keys), "keys.signature");
	json = answer(NOW + DAY);
	json = json_with(arena, &json, STR("valid_until_ts"), json_integer(NOW + 2 * DAY));
	assert_string_equal(rule_of(&json, &keys), "keys.signature");
}

static struct json key_entry(const char *encoded)
{
	struct json entry = json_object(arena, 0);
	return json_with(arena, &entry, STR("key"), json_string(str_of(encoded)));
}

static void parse__other_keys_beside__left_out(void **state)
{
	(void)state;
	struct json json = answer(NOW + DAY);
	struct json verify_keys = *json_at(&json, "verify_keys");
	static const char valid[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	verify_keys = json_with(arena, &verify_keys, STR("rsa:1"), key_entry(valid));
	verify_keys = json_with(arena, &verify_keys, STR("ed25519"), key_entry(valid));
	verify_keys = json_with(arena, &verify_keys, STR("ed25519:a b"), key_entry(valid));
	verify_keys = json_with(arena, &verify_keys, STR("ed25519:short"), key_entry("AAAA"));
	verify_keys = json_with(arena, &verify_keys, STR("ed25519:bad"), key_entry("*"));
	verify_keys = json_with(arena, &verify_keys, STR("ed25519:none"), json_object(arena, 0));
	verify_keys = json_with(arena, &verify_keys, STR("ed25519:null"), (struct json){0});
	verify_keys = json_with(arena, &verify_keys, STR("ed25519:fine"), key_entry(valid));
	struct server_keys keys;
	json = changed("verify_keys", verify_keys);
	assert_null(rule_of(&json, &keys));
	assert_int_equal(keys.count, 3);
	assert_non_null(server_keys_find(&keys, STR("ed25519:fine")));
}

static void parse__key_both_old_and_current__current(void **state)
{
	(void)state;
	struct json old = json_object(arena, 0);
	struct json entry = key_entry("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	struct json without_end = entry;
	entry = json_with(arena, &entry, STR("expired_ts"), json_integer(1));
	old = json_with(arena, &old, STR("ed25519:new"), entry);
	old = json_with(arena, &old, STR("ed25519:endless"), without_end);
	struct server_keys keys;
	struct json json = changed("old_verify_keys", old);
	assert_null(rule_of(&json, &keys));
	assert_int_equal(keys.count, 1);
	assert_false(keys.keys[0].is_old);
}

static void parse__many_keys__refused(void **state)
{
	(void)state;
	struct json old = json_object(arena, 300);
	for (size_t i = 0; i < 300; i++) {
		old.members[i].key = str_printf(arena, "ed25519:%zu", i);
		old.members[i].value = (struct json){0};
	}
	old.count = 255;
	struct server_keys keys;
	struct json json = changed("old_verify_keys", old);
	assert_null(rule_of(&json, &keys));
	old.count = 256;
	json = changed("old_verify_keys", old);
	assert_string_equal(rule_of(&json, &keys), "keys.limit");
}

/* So many keys stand before the one that signed, and with a signature of their own that is none. @return as rule_of() */
static const char *rule_behind(size_t count, size_t with_signature)
{
	struct json json = answer(NOW + DAY);
	struct json keys = json_object(arena, 0);
	struct json signatures = json_object(arena, 0);
	char *none = arena_alloc(arena, 86); /* 64 zero bytes in base64 */
	memset(none, 'A', 86);
	for (size_t i = 0; i < count; i++) {
		struct str id = str_printf(arena, "ed25519:x%zu", i);
		keys =
			json_with(arena, &keys, id, key_entry("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
		if (i < with_signature) {
			signatures = json_with(arena, &signatures, id, json_string(str_from(none, 86)));
		}
	}
	keys = json_with(arena, &keys, signer.key_id,
		*json_get(json_at(&json, "verify_keys"), signer.key_id));
	struct json all = json_object(arena, 0);
	all = json_with(arena, &all, signer.server.s, signatures);
	json = json_with(arena, &json, STR("verify_keys"), keys);
	json = json_with(arena, &json, STR("signatures"), all);
	json = sign_json(arena, &json, &signer);
	struct server_keys out;
	return rule_of(&json, &out);
}

/* What is tried is limited; a key that signed nothing needs no try. */
static void parse__signed_by_the_last_key__believed_behind_few_false_signatures(void **state)
{
	(void)state;
	assert_null(rule_behind(100, 0));
	assert_null(rule_behind(100, 7));
	assert_string_equal(rule_behind(100, 8), "keys.signature");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__good_answer__keys_with_their_windows),
		cmocka_unit_test(sec_5_44__leaked_key_of_another_server__left_out),
		cmocka_unit_test(parse__far_validity__seven_days_at_most),
		cmocka_unit_test(parse__malformed__refused_by_name),
		cmocka_unit_test(parse__other_keys_beside__left_out),
		cmocka_unit_test(parse__key_both_old_and_current__current),
		cmocka_unit_test(parse__many_keys__refused),
		cmocka_unit_test(parse__signed_by_the_last_key__believed_behind_few_false_signatures),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
