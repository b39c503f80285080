/*
 * Scopes, and codes' verifiers with the vector of RFC 7636.
 */
#include "tests/unit/base/check.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "matrix/oauth_scope.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

#define API "urn:matrix:client:api:*"
#define DEVICE "urn:matrix:client:device:"
#define OLD "urn:matrix:org.matrix.msc2967.client:"

static void scope__good__device_and_what_is_understood(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *device_id;
		const char *kept;
	} cases[] = {
		{API " " DEVICE "AAABBBCCCDDD", "AAABBBCCCDDD", API " " DEVICE "AAABBBCCCDDD"},
		{DEVICE "a-._~ " API, "a-._~", DEVICE "a-._~ " API},
		{"openid  email " API " " DEVICE "A ", "A", "openid " API " " DEVICE "A"},
		{OLD "api:* " OLD "device:A", "A", OLD "api:* " OLD "device:A"},
		{OLD "api:* " API " " OLD "device:A " DEVICE "A", "A",
			OLD "api:* " API " " OLD "device:A " DEVICE "A"},
		{API " openid " API " " DEVICE "A openid " DEVICE "A " API, "A", API " openid " DEVICE "A"},
		{API " " DEVICE "a:b/!", "a:b/!", API " " DEVICE "a:b/!"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct oauth_scope scope;
		if (!oauth_scope_parse(arena, str_of(cases[i].text), &scope)) {
			fail_msg("%s", cases[i].text);
		}
		assert_true(str_equals(scope.device_id, str_of(cases[i].device_id)));
		assert_true(str_equals(scope.text, str_of(cases[i].kept)));
		assert_int_equal(scope.has_openid, oauth_has_word(scope.text, STR("openid")));
	}
}

static void scope__lacking_or_malformed__refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", " ", API, DEVICE "A", API " " DEVICE,
		API " " DEVICE "A " DEVICE "B", API " " OLD "device:A " DEVICE "B",
		"urn:matrix:client:api:read " DEVICE "A", API " " DEVICE "a\"b", API " " DEVICE "a\\b",
		API " " DEVICE "a\tb", API "\n" DEVICE "A", API " " DEVICE "\xc3\xa9",
		API " " DEVICE "A op\"enid"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct oauth_scope scope;
		if (oauth_scope_parse(arena, str_of(texts[i]), &scope)) {
			fail_msg("%s", texts[i]);
		}
	}
	struct oauth_scope scope;
	char id[257];
	memset(id, 'a', sizeof(id));
	id[256] = '\0';
	assert_false(oauth_scope_parse(arena, str_printf(arena, API " " DEVICE "%s", id), &scope));
	id[255] = '\0';
	assert_true(oauth_scope_parse(arena, str_printf(arena, API " " DEVICE "%s", id), &scope));
}

/* RFC 7636, appendix B */
#define VERIFIER "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define CHALLENGE "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

static struct str challenge_of(struct str verifier)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(verifier, hash);
	return b64_encode_url(arena, str_from((const char *)hash, sizeof(hash)));
}

static void verifier__of_the_rfc__fits(void **state)
{
	(void)state;
	assert_true(oauth_challenge_is_valid(STR(CHALLENGE)));
	assert_true(oauth_verifier_fits(arena, STR(VERIFIER), STR(CHALLENGE)));
}

static void verifier__other_or_malformed__does_not_fit(void **state)
{
	(void)state;
	static const char *const verifiers[] = {"", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK",
		CHALLENGE, VERIFIER "=", VERIFIER " "};
	for (size_t i = 0; i < COUNT_OF(verifiers); i++) {
		assert_false(oauth_verifier_fits(arena, str_of(verifiers[i]), STR(CHALLENGE)));
	}
	/* too short, too long, another alphabet: even with the right challenge */
	assert_false(
		oauth_verifier_fits(arena, STR("abc"), STR("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0")));
	assert_false(oauth_challenge_is_valid(STR("")));
	assert_false(oauth_challenge_is_valid(STR(CHALLENGE "A")));
	assert_false(oauth_challenge_is_valid(STR("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")));
}

/* RFC 7636, 4.1: 43 to 128 unreserved characters. */
static void verifier__of_all_lengths_and_characters__fits_as_the_rfc_has_it(void **state)
{
	(void)state;
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char text[130];
	for (size_t n = 0; n < sizeof(text); n++) {
		for (size_t i = 0; i < n; i++) {
			text[i] = unreserved[i % (sizeof(unreserved) - 1)];
		}
		struct str verifier = str_from(text, n);
		assert_int_equal(oauth_verifier_fits(arena, verifier, challenge_of(verifier)),
			n >= 43 && n <= 128);
	}
	for (int c = 0; c < 256; c++) {
		bool is_unreserved = c != 0 && strchr(unreserved, c) != NULL;
		for (size_t at = 0; at < 43; at += 42) {
			memset(text, 'a', 43);
			text[at] = (char)c;
			struct str verifier = str_from(text, 43);
			assert_int_equal(oauth_verifier_fits(arena, verifier, challenge_of(verifier)),
				is_unreserved);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scope__good__device_and_what_is_understood, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(scope__lacking_or_malformed__refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verifier__of_the_rfc__fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verifier__other_or_malformed__does_not_fit, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			verifier__of_all_lengths_and_characters__fits_as_the_rfc_has_it, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
