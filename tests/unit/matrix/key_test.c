/*
 * Keys of devices, cross-signing keys, keys in backups: what is taken, what is refused, who may sign what, which key stays.
 * The uploads as a whole are tested over HTTP (tests/http/test_keys.py, test_cross_signing.py, test_key_backup.py).
 */
#include "tests/unit/base/check.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "matrix/canonical.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"
#include "matrix/errcode.h"
#include "matrix/json_make.h"
#include "matrix/key_backup.h"
#include "matrix/sign.h"

#include <string.h>

static struct arena *arena;
static struct ed25519_key *key;
static struct str public_key;
static struct key_owner owner;

static int set_up(void **state)
{
	(void)state;
	static const unsigned char seed[ED25519_SEED_BYTES] = {7};
	unsigned char bytes[ED25519_PUBLIC_BYTES];
	arena = arena_create();
	key = ed25519_key_create(seed);
	ed25519_public(key, bytes);
	public_key = b64_encode(arena, str_from((const char *)bytes, sizeof(bytes)));
	owner = (struct key_owner){STR("@a:b"), STR("D"), public_key};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ed25519_key_destroy(key);
	arena_destroy(arena);
	return 0;
}

static struct json parse(struct str text)
{
	struct json json;
	assert_int_equal(json_parse(arena, text, NULL, &json, NULL), JSON_OK);
	return json;
}

/* Signed by the key under the name of a device (or of the key itself). */
static struct json signed_json(const char *text, struct str name)
{
	struct json json = parse(str_of(text));
	const struct event_signer signer = {
		.server = {owner.user_id},
		.key_id = key_id_of(arena, name),
		.key = key,
	};
	return sign_json(arena, &json, &signer);
}

static const char *device_text(const char *more)
{
	return arena_printf(arena,
		"{\"user_id\":\"@a:b\",\"device_id\":\"D\",\"algorithms\":[\"m.x\"],"
		"\"keys\":{\"ed25519:D\":\"%.*s\"}%s}",
		STR_ARG(public_key), more);
}

/* The errcode; NULL when it is taken. */
static const char *read_device(const struct json *json, struct device_key *out)
{
	struct field_error error;
	return device_key_read(arena, json, &owner, out, &error) ? NULL : error.errcode;
}

static void device_key__signed_by_itself__taken_without_signatures(void **state)
{
	(void)state;
	struct device_key out;
	struct json json = signed_json(device_text(",\"unsigned\":{\"x\":1}"), STR("D"));
	assert_null(read_device(&json, &out));
	assert_true(str_equals(out.ed25519, public_key));
	assert_true(str_equals(out.body,
		str_of(arena_printf(arena,
			"{\"algorithms\":[\"m.x\"],\"device_id\":\"D\",\"keys\":{\"ed25519:D\":\"%.*s\"},"
			"\"user_id\":\"@a:b\"}",
			STR_ARG(public_key)))));
	assert_int_equal(out.signature.n, 86);
}

static void device_key__not_signed__taken_without_a_signature(void **state)
{
	(void)state;
	struct device_key out;
	struct json json = parse(str_of(device_text("")));
	assert_string_equal(read_device(&json, &out), M_BAD_JSON);
	json = parse(str_of(device_text(",\"signatures\":{}")));
	assert_null(read_device(&json, &out));
	assert_int_equal(out.signature.n, 0);
}

static void device_key__changed_after_signing__invalid_signature(void **state)
{
	(void)state;
	struct device_key out;
	struct json json = signed_json(device_text(""), STR("D"));
	struct json changed = json_with(arena, &json, STR("more"), json_integer(1));
	assert_string_equal(read_device(&changed, &out), M_INVALID_SIGNATURE);
}

static void device_key__of_another_owner_or_form__invalid_param(void **state)
{
	(void)state;
	struct device_key out;
	struct json json = signed_json(device_text(""), STR("D"));
	struct json changed = json_with(arena, &json, STR("user_id"), json_string(STR("@x:b")));
	assert_string_equal(read_device(&changed, &out), M_INVALID_PARAM);
	changed = json_with(arena, &json, STR("device_id"), json_string(STR("E")));
	assert_string_equal(read_device(&changed, &out), M_INVALID_PARAM);
	json = signed_json(device_text(",\"more\":0.5"), STR("D"));
	assert_string_equal(read_device(&json, &out), M_INVALID_PARAM);
	json = signed_json(device_text(",\"more\":[[[[[[[[1]]]]]]]]"), STR("D"));
	assert_string_equal(read_device(&json, &out), M_INVALID_PARAM);
}

static void public_key__padding_or_other_length__refused(void **state)
{
	(void)state;
	struct str bytes;
	assert_true(public_key_decode(arena, public_key, &bytes));
	assert_false(public_key_decode(arena, str_printf(arena, "%.*s=", STR_ARG(public_key)), &bytes));
	assert_false(public_key_decode(arena, str_slice(public_key, 0, 42), &bytes));
	assert_false(public_key_decode(arena, STR(""), &bytes));
}

static const char *read_one_time(const struct json *key_json, const char *name, bool is_fallback)
{
	struct json map = json_object(arena, 1);
	map = json_with(arena, &map, str_of(name), *key_json);
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	bool is_good = one_time_keys_read(arena, &map, &owner, is_fallback, &keys, &count, &error) &&
		(is_fallback || one_time_keys_verify(arena, &map, &owner, &error));
	return is_good ? NULL : error.errcode;
}

static void one_time_key__signed__only_by_the_device(void **state)
{
	(void)state;
	const char *text = arena_printf(arena, "{\"key\":\"%.*s\"}", STR_ARG(public_key));
	struct json json = signed_json(text, STR("D"));
	assert_null(read_one_time(&json, "signed_curve25519:A", false));
	assert_null(read_one_time(&json, "signed_curve25519:A", true));
	struct json plain = parse(str_of(text));
	assert_string_equal(read_one_time(&plain, "signed_curve25519:A", false), M_INVALID_SIGNATURE);
	assert_null(read_one_time(&plain, "other:A", false));
	assert_string_equal(read_one_time(&json, "signed_curve25519", false), M_INVALID_PARAM);
	assert_string_equal(read_one_time(&json, ":A", false), M_INVALID_PARAM);
	assert_string_equal(read_one_time(&json, "signed_curve25519:A B", false), M_INVALID_PARAM);
	owner.ed25519 = str_from(NULL, 0);
	assert_string_equal(read_one_time(&json, "signed_curve25519:A", false), M_INVALID_PARAM);
}

static void one_time_keys__several__the_first_is_verified_and_each_fallback_key(void **state)
{
	(void)state;
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	const char *text = arena_printf(arena, "{\"key\":\"%.*s\"}", STR_ARG(public_key));
	struct json good = signed_json(text, STR("D"));
	struct json changed = json_with(arena, &good, STR("more"), json_integer(1));
	struct json plain = parse(str_of(text));
	struct json string = json_string(STR("x"));
	struct json first_good = json_object(arena, 4);
	json_put(&first_good, STR("plain:A"), string);
	json_put(&first_good, STR("signed_a:A"), good);
	json_put(&first_good, STR("signed_b:B"), changed);
	assert_true(one_time_keys_read(arena, &first_good, &owner, false, &keys, &count, &error));
	assert_int_equal(count, 3);
	assert_true(one_time_keys_verify(arena, &first_good, &owner, &error));
	assert_false(one_time_keys_read(arena, &first_good, &owner, true, &keys, &count, &error));
	assert_string_equal(error.errcode, M_INVALID_SIGNATURE);
	json_put(&first_good, STR("signed_b:C"), plain);
	assert_false(one_time_keys_read(arena, &first_good, &owner, false, &keys, &count, &error));
	assert_string_equal(error.errcode, M_INVALID_SIGNATURE);
	struct json first_false = json_object(arena, 3);
	json_put(&first_false, STR("plain:A"), string);
	json_put(&first_false, STR("signed_a:A"), changed);
	json_put(&first_false, STR("signed_a:B"), good);
	assert_true(one_time_keys_read(arena, &first_false, &owner, false, &keys, &count, &error));
	assert_false(one_time_keys_verify(arena, &first_false, &owner, &error));
	assert_string_equal(error.errcode, M_INVALID_SIGNATURE);
}

static struct str text_of(const struct one_time_key *read)
{
	struct key_frame frame = key_frame_of(arena, owner.user_id, owner.device_id);
	return key_entry_text(arena, &frame, &read->entry);
}

static void one_time_keys__as_they_are_stored__canonical(void **state)
{
	(void)state;
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	struct json map = parse(STR("{\"plain:A\":\"\\u0041/\",\"plain:B\":{\"b\":1, \"a\":[ ]}}"));
	assert_true(one_time_keys_read(arena, &map, &owner, false, &keys, &count, &error));
	assert_int_equal(count, 2);
	assert_true(str_equals(text_of(&keys[0]), STR("\"A/\"")));
	assert_true(str_equals(text_of(&keys[1]), STR("{\"a\":[],\"b\":1}")));
	assert_true(one_time_keys_verify(arena, &map, &owner, &error));
}

/* The text with the public key for K and the signature for S. */
static struct json key_from(const char *text, struct str signature)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, SIZE_MAX / 2);
	for (; *text != '\0'; text++) {
		buf_add(&buf, *text == 'K' ? public_key : *text == 'S' ? signature : str_from(text, 1));
	}
	return parse(str_dup(arena, buf_str(&buf)));
}

static void one_time_key__signed_in_any_form__stored_canonical(void **state)
{
	(void)state;
	static const char *const forms[] = {
		"{'key':'K','signatures':{'@a:b':{'ed25519:D':'S'}}}",
		"{ 'signatures' : {'\\u0040a:b' : {'ed25519:\\u0044' : 'S' } }, '\\u006bey' : 'K' }",
		"{'signatures':{'@a:b':{'ed25519:D':'S=='}},'key':'K'}",
		"{'signatures':{'@a:b':{'ed25519:D':'S','ed25519:E':'S'}},'key':'K'}",
		"{'signatures':{'@a:b':{'ed25519:D':'S'},'@c:d':{}},'key':'K'}",
		"{'signatures':{'@a:b':{'ed25519:D':'S'}},'key':'K','more':1}",
	};
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	struct str signature = b64_encode(arena, str_from((const char[64]){1, 2, 3}, 64));
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		char *text = arena_dup(arena, forms[i], strlen(forms[i]) + 1);
		for (char *c = text; *c != '\0'; c++) {
			*c = *c == '\'' ? '"' : *c;
		}
		struct json map = json_object(arena, 1);
		struct json object = key_from(text, signature);
		json_put(&map, STR("signed_a:A"), object);
		assert_true(one_time_keys_read(arena, &map, &owner, false, &keys, &count, &error));
		assert_true(str_equals(text_of(&keys[0]), canonical_text(arena, &object)));
		assert_int_equal(keys[0].entry.is_text, i >= 2);
	}
}

static void one_time_key__of_names_that_have_to_be_escaped__stored_canonical(void **state)
{
	(void)state;
	owner.user_id = STR("@a\"\x01:b");
	owner.device_id = STR("D\\");
	struct one_time_key *keys;
	size_t count;
	struct field_error error;
	struct json map = json_object(arena, 1);
	struct json object = signed_json(arena_printf(arena, "{\"key\":\"%.*s\"}", STR_ARG(public_key)),
		owner.device_id);
	json_put(&map, STR("signed_a:A"), object);
	assert_true(one_time_keys_read(arena, &map, &owner, false, &keys, &count, &error));
	assert_true(str_equals(text_of(&keys[0]), canonical_text(arena, &object)));
	assert_true(one_time_keys_verify(arena, &map, &owner, &error));
}

static void cross_key__called_like_itself__taken(void **state)
{
	(void)state;
	struct cross_key out;
	struct field_error error;
	struct json json = parse(str_of(arena_printf(arena,
		"{\"user_id\":\"@a:b\",\"usage\":[\"master\"],\"keys\":{\"ed25519:%.*s\":\"%.*s\"}}",
		STR_ARG(public_key), STR_ARG(public_key))));
	assert_true(cross_key_read(arena, &json, owner.user_id, CROSS_MASTER, STR("k"), &out, &error));
	assert_true(str_equals(out.public_key, public_key));
	assert_false(
		cross_key_read(arena, &json, owner.user_id, CROSS_SELF_SIGNING, STR("k"), &out, &error));
	assert_false(cross_key_read(arena, &json, STR("@x:b"), CROSS_MASTER, STR("k"), &out, &error));
}

static void cross_usage__names__both_ways(void **state)
{
	(void)state;
	for (int i = 0; i < CROSS_USAGE_COUNT; i++) {
		enum cross_usage usage;
		assert_true(cross_usage_parse(cross_usage_name((enum cross_usage)i), &usage));
		assert_int_equal(usage, i);
	}
	enum cross_usage usage;
	assert_false(cross_usage_parse(STR("other"), &usage));
}

static void may_sign__each_pair__as_the_specification_says(void **state)
{
	(void)state;
	static const bool own[4][4] = {
		[KEY_DEVICE] = {[KEY_MASTER] = true},
		[KEY_MASTER] = {[KEY_SELF_SIGNING] = true, [KEY_USER_SIGNING] = true},
		[KEY_SELF_SIGNING] = {[KEY_DEVICE] = true},
		[KEY_USER_SIGNING] = {false},
	};
	for (int signer = KEY_DEVICE; signer <= KEY_USER_SIGNING; signer++) {
		for (int target = KEY_DEVICE; target <= KEY_USER_SIGNING; target++) {
			assert_int_equal(
				key_may_sign((enum key_role)signer, (enum key_role)target, true, false),
				own[signer][target]);
			assert_int_equal(
				key_may_sign((enum key_role)signer, (enum key_role)target, false, false),
				signer == KEY_USER_SIGNING && target == KEY_MASTER);
		}
	}
	assert_true(key_may_sign(KEY_DEVICE, KEY_DEVICE, true, true));
}

int main(void)
{
#define KEY_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		KEY_TEST(device_key__signed_by_itself__taken_without_signatures),
		KEY_TEST(device_key__not_signed__taken_without_a_signature),
		KEY_TEST(device_key__changed_after_signing__invalid_signature),
		KEY_TEST(device_key__of_another_owner_or_form__invalid_param),
		KEY_TEST(public_key__padding_or_other_length__refused),
		KEY_TEST(one_time_key__signed__only_by_the_device),
		KEY_TEST(one_time_keys__several__the_first_is_verified_and_each_fallback_key),
		KEY_TEST(one_time_keys__as_they_are_stored__canonical),
		KEY_TEST(one_time_key__signed_in_any_form__stored_canonical),
		KEY_TEST(one_time_key__of_names_that_have_to_be_escaped__stored_canonical),
		KEY_TEST(cross_key__called_like_itself__taken),
		KEY_TEST(cross_usage__names__both_ways),
		KEY_TEST(may_sign__each_pair__as_the_specification_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
