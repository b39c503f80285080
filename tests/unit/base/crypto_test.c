/*
 * Known answers: FIPS 180-4, RFC 4231, RFC 2202, RFC 8032, argon2's own vectors.
 */
#include "check.h"

#include "base/crypto.h"

/* Hex of at most 128 bytes; static. */
static const char *hex(const unsigned char *bytes, size_t n)
{
	static char text[257];
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	}
	return text;
}

static struct str unhex(struct arena *arena, const char *text)
{
	size_t n = strlen(text) / 2;
	char *bytes = arena_alloc(arena, n + 1);
	for (size_t i = 0; i < n; i++) {
		const char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
		bytes[i] = (char)strtoul(pair, NULL, 16);
	}
	return str_from(bytes, n);
}

static void sha256__known_texts__known_digests(void **state)
{
	(void)state;
	unsigned char digest[SHA256_BYTES];
	crypto_sha256(STR("abc"), digest);
	assert_string_equal(hex(digest, sizeof(digest)),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256(str_from(NULL, 0), digest);
	assert_string_equal(hex(digest, sizeof(digest)),
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), digest);
	assert_string_equal(hex(digest, sizeof(digest)),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* NIST SP 800-38A, F.5.5, in two pieces. */
static void aes_ctr__known_text__known_ciphertext(void **state)
{
	(void)state;
	static const unsigned char key[AES_CTR_KEY_BYTES] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71,
		0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
		0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
	static const unsigned char iv[AES_CTR_IV_BYTES] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6,
		0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
	static const unsigned char plain[16] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9,
		0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a};
	static const unsigned char sealed[16] = {0x60, 0x1e, 0xc3, 0x13, 0x77, 0x57, 0x89, 0xa5, 0xb7,
		0xa7, 0xf5, 0x04, 0xbb, 0xf3, 0xd2, 0x28};
	char text[sizeof(plain)];
	memcpy(text, plain, sizeof(text));
	struct aes_ctr *cipher = aes_ctr_create(key, iv);
	aes_ctr_apply(cipher, text, 5);
	aes_ctr_apply(cipher, text + 5, sizeof(text) - 5);
	aes_ctr_destroy(cipher);
	assert_memory_equal(text, sealed, sizeof(text));
}

static void hmac__rfc_cases__known_tags(void **state)
{
	(void)state;
	unsigned char tag[SHA256_BYTES];
	crypto_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), tag);
	assert_string_equal(hex(tag, SHA256_BYTES),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	crypto_hmac_sha1(STR("Jefe"), STR("what do ya want for nothing?"), tag);
	assert_string_equal(hex(tag, HMAC_SHA1_BYTES), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	/* A key longer than a block (RFC 4231, case 6). */
	char key[131];
	memset(key, 0xaa, sizeof(key));
	crypto_hmac_sha256(str_from(key, sizeof(key)),
		STR("Test Using Larger Than Block-Size Key - Hash Key First"), tag);
	assert_string_equal(hex(tag, SHA256_BYTES),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	crypto_hmac_sha256(str_from(NULL, 0), str_from(NULL, 0), tag);
	assert_string_equal(hex(tag, SHA256_BYTES),
		"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static const struct {
	const char *seed;
	const char *public_key;
	const char *message;
	const char *signature;
} rfc_8032[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b4"
		"6bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8"
		"c387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc65"
		"94a7c15e9716ed28dc027beceea1ec40a"},
};

static void ed25519__rfc_8032__signatures_equal_and_verify(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rfc_8032); i++) {
		struct str seed = unhex(arena, rfc_8032[i].seed);
		struct str message = unhex(arena, rfc_8032[i].message);
		struct ed25519_key *key = ed25519_key_create((const unsigned char *)seed.p);
		assert_non_null(key);
		unsigned char public_key[ED25519_PUBLIC_BYTES];
		ed25519_public(key, public_key);
		assert_string_equal(hex(public_key, sizeof(public_key)), rfc_8032[i].public_key);
		unsigned char signature[ED25519_SIGNATURE_BYTES];
		for (int round = 0; round < 3; round++) { /* a key serves many times */
			ed25519_sign(key, message, signature);
			assert_string_equal(hex(signature, sizeof(signature)), rfc_8032[i].signature);
		}
		assert_true(ed25519_verify(unhex(arena, rfc_8032[i].public_key), message,
			unhex(arena, rfc_8032[i].signature)));
		ed25519_key_destroy(key);
	}
	ed25519_key_destroy(NULL);
}

/* Of the neutral point as a key, R = B and S = 1 are a "signature" of everything. Others refuse it; so must we, or rooms part. */
static void ed25519_verify__key_of_small_order__false(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str neutral =
		unhex(arena, "0100000000000000000000000000000000000000000000000000000000000000");
	struct str signature = unhex(arena,
		"5866666666666666666666666666666666666666666666666666666666666666"
		"0100000000000000000000000000000000000000000000000000000000000000");
	assert_false(ed25519_verify(neutral, STR("anything"), signature));
}

/*
 * Of the third key and message above: signatures that some libraries take and others do not. One with R of small order fulfils the equation
 * as it stands, one with a part of small order in R only when that is multiplied by eight, as batches do.
 */
static void ed25519_verify__others_may_differ__false(void **state)
{
	(void)state;
	static const char *const signatures[] = {
		"0100000000000000000000000000000000000000000000000000000000000000"
		"89653588ead4771e2326253c8cc167ed5f891f0c238314c9d136bb6e54f2f206",
		"feaf9d07b868cc52786305312c376563c622b0386a10d105e3c1501b28d65f7e"
		"242e3cb939f03d972f5a890b5b278ada39134c225db95d78521ad9417ccefe06"};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str public_key = unhex(arena, rfc_8032[2].public_key);
	struct str message = unhex(arena, rfc_8032[2].message);
	for (size_t i = 0; i < COUNT_OF(signatures); i++) {
		assert_false(ed25519_verify(public_key, message, unhex(arena, signatures[i])));
	}
}

/* S and the order of the group more is the same number, written in another way: a second signature of the same text. */
static void ed25519_verify__scalar_not_reduced__false(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str order =
		unhex(arena, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
	for (size_t i = 0; i < COUNT_OF(rfc_8032); i++) {
		struct str signature = unhex(arena, rfc_8032[i].signature);
		char *other = arena_dup(arena, signature.p, signature.n);
		unsigned carry = 0;
		for (size_t k = 0; k < order.n; k++) {
			unsigned sum = (unsigned char)other[32 + k] + (unsigned char)order.p[k] + carry;
			other[32 + k] = (char)(sum & 0xFF);
			carry = sum >> 8;
		}
		assert_int_equal(carry, 0);
		assert_false(ed25519_verify(unhex(arena, rfc_8032[i].public_key),
			unhex(arena, rfc_8032[i].message), str_from(other, signature.n)));
	}
}

static void ed25519_verify__anything_changed__false(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str public_key = unhex(arena, rfc_8032[2].public_key);
	struct str message = unhex(arena, rfc_8032[2].message);
	struct str signature = unhex(arena, rfc_8032[2].signature);
	for (size_t bit = 0; bit < signature.n * 8; bit++) {
		char *changed = arena_dup(arena, signature.p, signature.n);
		changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << (bit % 8)));
		assert_false(ed25519_verify(public_key, message, str_from(changed, signature.n)));
	}
	assert_false(ed25519_verify(public_key, STR("other"), signature));
	assert_false(ed25519_verify(unhex(arena, rfc_8032[1].public_key), message, signature));
	assert_false(ed25519_verify(str_slice(public_key, 0, 31), message, signature));
	assert_false(ed25519_verify(public_key, message, str_slice(signature, 0, 63)));
	assert_false(ed25519_verify(str_from(NULL, 0), message, str_from(NULL, 0)));
	char all_ones[32];
	memset(all_ones, 0xff, sizeof(all_ones)); /* no point of the curve */
	assert_false(ed25519_verify(str_from(all_ones, 32), message, signature));
}

static void equals__pairs__by_content_and_length(void **state)
{
	(void)state;
	assert_true(crypto_equals(STR("abc"), STR("abc")));
	assert_false(crypto_equals(STR("abc"), STR("abd")));
	assert_false(crypto_equals(STR("abc"), STR("ab")));
	assert_true(crypto_equals(str_from(NULL, 0), STR("")));
}

static void wipe__secret__zero(void **state)
{
	(void)state;
	char secret[] = "secret";
	crypto_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++) {
		assert_int_equal(secret[i], 0);
	}
	crypto_wipe(NULL, 0);
}

static void password__hash_and_verify__only_the_right_one(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str phc = password_hash(arena, STR("correct horse"), 256, 2);
	assert_true(str_starts_with(phc, STR("$argon2id$v=19$m=256,t=2,p=1$")));
	assert_true(password_verify(arena, phc, STR("correct horse")));
	assert_false(password_verify(arena, phc, STR("correct horsf")));
	assert_false(password_verify(arena, phc, STR("")));
	struct str again = password_hash(arena, STR("correct horse"), 256, 2);
	assert_false(str_equals(phc, again)); /* salted */
	struct str with_nul = password_hash(arena, STR("a\0b"), 256, 1);
	assert_true(password_verify(arena, with_nul, STR("a\0b")));
	assert_false(password_verify(arena, with_nul, STR("a\0c")));
}

static void password_verify__published_vector__true(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_true(password_verify(arena,
		STR("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
		STR("password")));
}

static void password_verify__other_formats__false(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const struct str texts[] = {STR_INIT(""), STR_INIT("password"), STR_INIT("$argon2id$"),
		STR_INIT("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ"),
		STR_INIT(
			"$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
		STR_INIT("$2b$12$abcdefghijklmnopqrstuv"), STR_INIT("$argon2id$v=19$m=256,t=2,p=1$c29t\0")};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(password_verify(arena, texts[i], STR("password")));
	}
}

static void seal__opened_with_its_key__the_text(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	unsigned char key[SEAL_KEY_BYTES] = {1, 2, 3};
	/* NIST's GCM test case 13: no text, key and nonce of zeroes */
	const unsigned char zero_key[SEAL_KEY_BYTES] = {0};
	struct str sealed = crypto_seal(arena, zero_key, STR(""));
	assert_string_equal(hex((const unsigned char *)sealed.p, sealed.n),
		"530f8afbc74536b9a963b4f1c4cb738b");
	struct str out;
	sealed = crypto_seal(arena, key, STR("a text"));
	assert_true(crypto_open(arena, key, sealed, &out));
	assert_true(str_equals(out, STR("a text")));
}

static void seal__other_key_or_one_bit_changed__not_opened(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	unsigned char key[SEAL_KEY_BYTES] = {1};
	struct str sealed = crypto_seal(arena, key, STR("a text"));
	struct str out = {0};
	for (size_t i = 0; i < sealed.n; i++) {
		char *changed = arena_alloc(arena, sealed.n);
		memcpy(changed, sealed.p, sealed.n);
		changed[i] = (char)(changed[i] ^ 1);
		assert_false(crypto_open(arena, key, str_from(changed, sealed.n), &out));
		assert_false(crypto_open(arena, key, str_from(sealed.p, i), &out));
	}
	key[0] = 2;
	assert_false(crypto_open(arena, key, sealed, &out));
	assert_false(crypto_open(arena, key, (struct str){0}, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seal__opened_with_its_key__the_text),
		cmocka_unit_test(seal__other_key_or_one_bit_changed__not_opened),
		cmocka_unit_test(sha256__known_texts__known_digests),
		cmocka_unit_test(aes_ctr__known_text__known_ciphertext),
		cmocka_unit_test(hmac__rfc_cases__known_tags),
		cmocka_unit_test(ed25519__rfc_8032__signatures_equal_and_verify),
		cmocka_unit_test(ed25519_verify__key_of_small_order__false),
		cmocka_unit_test(ed25519_verify__others_may_differ__false),
		cmocka_unit_test(ed25519_verify__scalar_not_reduced__false),
		cmocka_unit_test(ed25519_verify__anything_changed__false),
		cmocka_unit_test(equals__pairs__by_content_and_length),
		cmocka_unit_test(wipe__secret__zero),
		cmocka_unit_test(password__hash_and_verify__only_the_right_one),
		cmocka_unit_test(password_verify__published_vector__true),
		cmocka_unit_test(password_verify__other_formats__false),
	};
	return RUN_ALL(tests);
}
