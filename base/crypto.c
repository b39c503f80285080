/*
 * OpenSSL 3 and libargon2 behind one face (signatures: ed25519.c). Algorithms are fetched once per process, so that a call
 * costs the mathematics and little else. Everything here can fail only when the library itself is broken, which ends the
 * process; wrong input gives false.
 */
#include "base/crypto.h"

#include <string.h>
#include <sys/random.h>

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "base/mem.h"

enum { SALT_BYTES = 16, PASSWORD_HASH_BYTES = 32, PASSWORD_LANES = 1 };
enum { SEAL_TAG_BYTES = 16, SEAL_NONCE_BYTES = 12 };

static const unsigned char no_nonce[SEAL_NONCE_BYTES];

static EVP_MD *md_sha256;
static EVP_MD *md_sha1;
static EVP_CIPHER *aes_256_gcm;
static EVP_CIPHER *aes_256_ctr;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch_algorithms(void)
{
	md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	md_sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	invariant(md_sha256 != NULL);
	invariant(md_sha1 != NULL);
	aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	aes_256_ctr = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
	invariant(aes_256_gcm != NULL && aes_256_ctr != NULL);
}

static const void *data_or_empty(struct str s)
{
	return s.p != NULL ? s.p : "";
}

void crypto_sha256(struct str data, unsigned char out[SHA256_BYTES])
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	int done = EVP_Digest(data_or_empty(data), data.n, out, NULL, md_sha256, NULL);
	invariant(done == 1);
}

struct sha256 {
	EVP_MD_CTX *state;
};

struct sha256 *sha256_create(void)
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	struct sha256 *hash = mem_alloc(sizeof(*hash));
	hash->state = EVP_MD_CTX_new();
	invariant(hash->state != NULL);
	int begun = EVP_DigestInit_ex(hash->state, md_sha256, NULL);
	invariant(begun == 1);
	return hash;
}

void sha256_destroy(struct sha256 *hash)
{
	if (hash != NULL) {
		EVP_MD_CTX_free(hash->state);
		mem_free(hash);
	}
}

void sha256_add(struct sha256 *hash, struct str piece)
{
	int added = EVP_DigestUpdate(hash->state, data_or_empty(piece), piece.n);
	invariant(added == 1);
}

void sha256_end(struct sha256 *hash, unsigned char out[SHA256_BYTES])
{
	int ended = EVP_DigestFinal_ex(hash->state, out, NULL);
	invariant(ended == 1);
}

void crypto_sha1(struct str data, unsigned char out[SHA1_BYTES])
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	int done = EVP_Digest(data_or_empty(data), data.n, out, NULL, md_sha1, NULL);
	invariant(done == 1);
}

static void hmac(const EVP_MD *md, struct str key, struct str data, unsigned char *out)
{
	invariant(key.n <= INT32_MAX);
	unsigned int length = 0;
	const unsigned char *done =
		HMAC(md, data_or_empty(key), (int)key.n, data_or_empty(data), data.n, out, &length);
	invariant(done != NULL);
}

void crypto_hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_BYTES])
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	hmac(md_sha256, key, data, out);
}

void crypto_hmac_sha1(struct str key, struct str data, unsigned char out[HMAC_SHA1_BYTES])
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	hmac(md_sha1, key, data, out);
}

bool crypto_equals(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void crypto_wipe(void *bytes, size_t size_bytes)
{
	if (size_bytes > 0) {
		explicit_bzero(bytes, size_bytes);
	}
}

struct aes_ctr {
	EVP_CIPHER_CTX *state;
};

struct aes_ctr *aes_ctr_create(const unsigned char key[AES_CTR_KEY_BYTES],
	const unsigned char iv[AES_CTR_IV_BYTES])
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	struct aes_ctr *cipher = mem_alloc(sizeof(*cipher));
	cipher->state = EVP_CIPHER_CTX_new();
	invariant(cipher->state != NULL);
	int done = EVP_EncryptInit_ex2(cipher->state, aes_256_ctr, key, iv, NULL);
	invariant(done == 1);
	return cipher;
}

void aes_ctr_destroy(struct aes_ctr *cipher)
{
	EVP_CIPHER_CTX_free(cipher->state);
	mem_free(cipher);
}

void aes_ctr_apply(struct aes_ctr *cipher, char *bytes, size_t size_bytes)
{
	int written = 0;
	unsigned char *piece = (unsigned char *)bytes;
	invariant(size_bytes <= INT32_MAX);
	int done = EVP_EncryptUpdate(cipher->state, piece, &written, piece, (int)size_bytes);
	invariant(done == 1 && (size_t)written == size_bytes);
}

struct str crypto_seal(struct arena *arena, const unsigned char key[SEAL_KEY_BYTES],
	struct str text)
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	invariant(text.n <= INT32_MAX - SEAL_TAG_BYTES);
	unsigned char *sealed = arena_alloc(arena, text.n + SEAL_TAG_BYTES);
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	invariant(cipher != NULL);
	int written = 0;
	int rest = 0;
	bool is_done = EVP_EncryptInit_ex2(cipher, aes_256_gcm, key, no_nonce, NULL) == 1 &&
		EVP_EncryptUpdate(cipher, sealed, &written, data_or_empty(text), (int)text.n) == 1 &&
		EVP_EncryptFinal_ex(cipher, sealed + written, &rest) == 1 &&
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_BYTES, sealed + text.n) == 1;
	invariant(is_done && (size_t)written + (size_t)rest == text.n);
	EVP_CIPHER_CTX_free(cipher);
	return str_from((const char *)sealed, text.n + SEAL_TAG_BYTES);
}

bool crypto_open(struct arena *arena, const unsigned char key[SEAL_KEY_BYTES], struct str sealed,
	struct str *out)
{
	(void)pthread_once(&fetch_once, fetch_algorithms);
	if (sealed.n < SEAL_TAG_BYTES || sealed.n > INT32_MAX) {
		return false;
	}
	size_t size_bytes = sealed.n - SEAL_TAG_BYTES;
	unsigned char tag[SEAL_TAG_BYTES];
	memcpy(tag, sealed.p + size_bytes, SEAL_TAG_BYTES);
	unsigned char *text = arena_alloc(arena, size_bytes + 1);
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	invariant(cipher != NULL);
	int written = 0;
	int rest = 0;
	bool is_ours = EVP_DecryptInit_ex2(cipher, aes_256_gcm, key, no_nonce, NULL) == 1 &&
		EVP_DecryptUpdate(cipher, text, &written, (const unsigned char *)sealed.p,
			(int)size_bytes) == 1 &&
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_BYTES, tag) == 1 &&
		EVP_DecryptFinal_ex(cipher, text + written, &rest) == 1;
	EVP_CIPHER_CTX_free(cipher);
	if (is_ours) {
		*out = str_from((const char *)text, size_bytes);
	}
	return is_ours;
}

struct str password_hash(struct arena *arena, struct str password, uint32_t memory_kib,
	uint32_t iterations)
{
	unsigned char salt[SALT_BYTES];
	ssize_t got = getrandom(salt, sizeof(salt), 0);
	invariant(got == (ssize_t)sizeof(salt));
	size_t room = argon2_encodedlen(iterations, memory_kib, PASSWORD_LANES, SALT_BYTES,
		PASSWORD_HASH_BYTES, Argon2_id);
	char *phc = arena_alloc(arena, room);
	int result = argon2id_hash_encoded(iterations, memory_kib, PASSWORD_LANES,
		data_or_empty(password), password.n, salt, sizeof(salt), PASSWORD_HASH_BYTES, phc, room);
	invariant(result == ARGON2_OK);
	return str_of(phc);
}

bool password_verify(struct arena *arena, struct str phc, struct str password)
{
	if (!str_starts_with(phc, STR("$argon2id$")) || str_find_byte(phc, '\0') != SIZE_MAX) {
		return false;
	}
	return argon2id_verify(str_cstr(arena, phc), data_or_empty(password), password.n) == ARGON2_OK;
}
