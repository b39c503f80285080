/*
 * Signatures that are absent, malformed or of somebody else; hashes that do not fit; whose signatures an
 * event needs.
 */
#include "tests/unit/base/check.h"

#include "matrix/canonical.h"
#include "matrix/sign.h"

static struct arena *arena;
static struct event_signer signer;
static struct str public_key;

static int set_up(void **state)
{
	(void)state;
	static const unsigned char seed[ED25519_SEED_BYTES] = {9};
	arena = arena_create();
	signer = (struct event_signer){
		.server = {STR("a.example")},
		.key_id = STR("ed25519:k"),
		.key = ed25519_key_create(seed),
	};
	char *bytes = arena_alloc(arena, ED25519_PUBLIC_BYTES);
	ed25519_public(signer.key, (unsigned char *)bytes);
	public_key = str_from(bytes, ED25519_PUBLIC_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	arena_destroy(arena);
	return 0;
}

static struct json parsed(const char *text)
{
	char *copy = arena_printf(arena, "%s", text);
	for (char *c = copy; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	struct json value;
	assert_int_equal(json_parse(arena, str_of(copy), NULL, &value, NULL), JSON_OK);
	return value;
}

static bool verifies(const struct json *object)
{
	return sign_verify_json(arena, object, STR("a.example"), STR("ed25519:k"), public_key);
}

static void sign_json__signatures_of_others__kept(void **state)
{
	(void)state;
	struct json object =
		parsed("{'x':1,'unsigned':{'age':1.5},"
			   "'signatures':{'b.example':{'ed25519:1':'B'},'a.example':{'ed25519:0':'A'}}}");
	struct json signed_object = sign_json(arena, &object, &signer);
	const struct json *signatures = json_at(&signed_object, "signatures");
	assert_int_equal(signatures->count, 2);
	assert_text(json_get_str(json_at(signatures, "b.example"), STR("ed25519:1")), "B");
	assert_text(json_get_str(json_at(signatures, "a.example"), STR("ed25519:0")), "A");
	assert_non_null(json_at(&signed_object, "unsigned"));
	assert_true(verifies(&signed_object));
	/* What is not covered may change. */
	struct json changed = json_with(arena, &signed_object, STR("unsigned"), json_integer(1));
	assert_true(verifies(&changed));
	changed = json_with(arena, &signed_object, STR("x"), json_integer(2));
	assert_false(verifies(&changed));
	changed = json_with(arena, &signed_object, STR("y"), json_integer(2));
	assert_false(verifies(&changed));
	changed = json_without(arena, &signed_object, STR("x"));
	assert_false(verifies(&changed));
}

static void sign_json__malformed_signatures__replaced(void **state)
{
	(void)state;
	static const char *const objects[] = {"{'signatures':1}", "{'signatures':[]}",
		"{'signatures':{'a.example':'x'}}", "{'signatures':{'a.example':{'ed25519:k':5}}}"};
	for (size_t i = 0; i < COUNT_OF(objects); i++) {
		struct json object = parsed(objects[i]);
		struct json signed_object = sign_json(arena, &object, &signer);
		assert_true(verifies(&signed_object));
	}
}

static void verify__absent_or_malformed__false(void **state)
{
	(void)state;
	static const char *const objects[] = {"[]", "null", "'x'", "{}", "{'signatures':null}",
		"{'signatures':{}}", "{'signatures':{'a.example':null}}",
		"{'signatures':{'a.example':{'ed25519:k':1}}}",
		"{'signatures':{'a.example':{'ed25519:k':''}}}",
		"{'signatures':{'a.example':{'ed25519:k':'!'}}}",
		"{'signatures':{'a.example':{'ed25519:k':'AAAA'}}}"};
	const struct room_version *version = room_version_find(STR("11"));
	for (size_t i = 0; i < COUNT_OF(objects); i++) {
		struct json object = parsed(objects[i]);
		assert_false(verifies(&object));
		assert_false(
			event_verify(arena, version, &object, STR("a.example"), STR("ed25519:k"), public_key));
	}
	struct json object = parsed("{'x':1}");
	struct json good = sign_json(arena, &object, &signer);
	assert_true(verifies(&good));
	assert_false(sign_verify_json(arena, &good, STR("A.example"), STR("ed25519:k"), public_key));
	assert_false(sign_verify_json(arena, &good, STR("a.example"), STR("ed25519:j"), public_key));
	assert_false(sign_verify_json(arena, &good, STR("a.example"), STR("ed25519:k"),
		str_slice(public_key, 0, 31)));
	assert_false(sign_verify_json(arena, &good, STR("a.example"), STR("ed25519:k"),
		STR("12345678901234567890123456789012")));
}

static void verify__other_algorithm__false(void **state)
{
	(void)state;
	struct event_signer other = signer;
	other.key_id = STR("rsa:k");
	struct json object = parsed("{'x':1}");
	struct json signed_object = sign_json(arena, &object, &other);
	assert_false(
		sign_verify_json(arena, &signed_object, STR("a.example"), STR("rsa:k"), public_key));
}

static void verify__each_bit_of_a_signature__matters(void **state)
{
	(void)state;
	struct json object = parsed("{'x':1}");
	struct json good = sign_json(arena, &object, &signer);
	const struct json *ours = json_at(json_at(&good, "signatures"), "a.example");
	struct str text = json_get_str(ours, STR("ed25519:k"));
	for (size_t i = 0; i < text.n; i += 5) {
		char *forged = arena_dup(arena, text.p, text.n);
		forged[i] = forged[i] == 'A' ? 'Q' : 'A';
		struct json sig = json_object(arena, 0);
		sig = json_with(arena, &sig, STR("ed25519:k"), json_string(str_from(forged, text.n)));
		struct json all = json_object(arena, 0);
		all = json_with(arena, &all, STR("a.example"), sig);
		struct json changed = json_with(arena, &good, STR("signatures"), all);
		assert_false(verifies(&changed));
	}
}

static void event_hash__absent_or_other__false(void **state)
{
	(void)state;
	static const char *const events[] = {"[]", "{}", "{'hashes':{}}", "{'hashes':{'sha256':1}}",
		"{'hashes':{'sha256':''}}", "{'hashes':{'sha256':'*'}}",
		"{'hashes':{'sha256':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}}"};
	for (size_t i = 0; i < COUNT_OF(events); i++) {
		struct json event = parsed(events[i]);
		assert_false(event_hash_is_valid(arena, &event));
	}
	/* SHA-256 of {}; padding and the other alphabet are taken. */
	struct json event =
		parsed("{'hashes':{'sha256':'RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o='}}");
	assert_true(event_hash_is_valid(arena, &event));
	event = parsed("{'hashes':{'sha256':'RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o'}}");
	assert_true(event_hash_is_valid(arena, &event));
}

/* --- required signers -------------------------------------------------------------------------- */

static bool is_state = true; /* of the events of signers() */

/* The names, joined with a space. */
static struct str signers(const char *version, const char *sender, const char *event_id,
	const char *type, const char *content)
{
	struct json *json = ARENA_NEW(arena, struct json);
	*json = parsed(content);
	struct event event = {
		.version = room_version_find(str_of(version)),
		.event_id = {str_of(event_id)},
		.sender = {str_of(sender)},
		.type = str_of(type),
		.is_state = is_state,
		.content = json,
	};
	struct required_signer *list;
	size_t count = event_required_signers(arena, &event, &list);
	struct str joined = STR("");
	for (size_t i = 0; i < count; i++) {
		joined = str_printf(arena, "%.*s%s%.*s", STR_ARG(joined), i > 0 ? " " : "",
			STR_ARG(list[i].server.s));
	}
	return joined;
}

static void required_signers__plain_events__senders_server(void **state)
{
	(void)state;
	assert_text(signers("10", "@u:a", "$x", "m.room.name", "{}"), "a");
	assert_text(signers("1", "@u:a", "$x:a", "m.room.name", "{}"), "a");
	assert_text(signers("1", "@u:a", "$x:b", "m.room.name", "{}"), "a b");
	assert_text(signers("2", "@u:a:1", "$x:a:2", "m.room.name", "{}"), "a:1 a:2");
	assert_text(signers("3", "@u:a", "$x:b", "m.room.name", "{}"), "a");
}

static void required_signers__restricted_joins__authoriser_too(void **state)
{
	(void)state;
	static const char join[] = "{'membership':'join','join_authorised_via_users_server':'@v:b'}";
	assert_text(signers("8", "@u:a", "$x", "m.room.member", join), "a b");
	assert_text(signers("12", "@u:b", "$x", "m.room.member", join), "b");
	assert_text(signers("7", "@u:a", "$x", "m.room.member", join), "a");
	assert_text(signers("8", "@u:a", "$x", "m.room.name", join), "a");
	assert_text(signers("8", "@u:a", "$x", "m.room.member",
					"{'membership':'join','join_authorised_via_users_server':'v'}"),
		"a");
	assert_text(signers("8", "@u:a", "$x", "m.room.member",
					"{'membership':'join','join_authorised_via_users_server':1}"),
		"a");
}

static void required_signers__third_party_invites__not_the_sender(void **state)
{
	(void)state;
	static const char invite[] = "{'membership':'invite','third_party_invite':{}}";
	assert_text(signers("10", "@u:a", "$x", "m.room.member", invite), "");
	assert_text(signers("1", "@u:a", "$x:b", "m.room.member", invite), "b");
	assert_text(signers("10", "@u:a", "$x", "m.room.name", invite), "a");
	assert_text(signers("10", "@u:a", "$x", "m.room.member",
					"{'membership':'join','third_party_invite':{}}"),
		"a");
	assert_text(signers("10", "@u:a", "$x", "m.room.member", "{'membership':'invite'}"), "a");
	is_state = false; /* and so no membership */
	assert_text(signers("10", "@u:a", "$x", "m.room.member", invite), "a");
	is_state = true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sign_json__signatures_of_others__kept),
		cmocka_unit_test(sign_json__malformed_signatures__replaced),
		cmocka_unit_test(verify__absent_or_malformed__false),
		cmocka_unit_test(verify__other_algorithm__false),
		cmocka_unit_test(verify__each_bit_of_a_signature__matters),
		cmocka_unit_test(event_hash__absent_or_other__false),
		cmocka_unit_test(required_signers__plain_events__senders_server),
		cmocka_unit_test(required_signers__restricted_joins__authoriser_too),
		cmocka_unit_test(required_signers__third_party_invites__not_the_sender),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
