/**
 * Cryptography behind one face (OpenSSL, libargon2 inside). All functions may be called from any thread.
 */
#ifndef BELFRY_BASE_CRYPTO_H
#define BELFRY_BASE_CRYPTO_H

#include "base/arena.h"
#include "base/str.h"

enum {
	SHA256_BYTES = 32,
	ED25519_SEED_BYTES = 32,
	ED25519_PUBLIC_BYTES = 32,
	ED25519_SIGNATURE_BYTES = 64,
	SHA1_BYTES = 20,
	HMAC_SHA1_BYTES = 20,
	SEAL_KEY_BYTES = 32,
};

/** Of bytes that are all there. Any thread. */
void crypto_sha256(struct str data, unsigned char out[SHA256_BYTES]);

/** SHA-256 of what comes piece by piece; used by one thread at a time. */
struct sha256;
struct sha256 *sha256_create(void);
void sha256_destroy(struct sha256 *hash);
/** The next piece; not kept. */
void sha256_add(struct sha256 *hash, struct str piece);
/** Once, after the last piece. */
void sha256_end(struct sha256 *hash, unsigned char out[SHA256_BYTES]);

/** Only where old formats want it; protects nothing. */
void crypto_sha1(struct str data, unsigned char out[SHA1_BYTES]);
void crypto_hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_BYTES]);
void crypto_hmac_sha1(struct str key, struct str data, unsigned char out[HMAC_SHA1_BYTES]);

/** Same bytes, in time that depends on the lengths only. */
bool crypto_equals(struct str a, struct str b);

/** Overwrites secrets in a way that the compiler keeps. */
void crypto_wipe(void *bytes, size_t size_bytes);

/**
 * Encrypts and authenticates (AES-256-GCM). A key seals one text only, ever: there is no nonce.
 * @return in the arena
 */
struct str crypto_seal(struct arena *arena, const unsigned char key[SEAL_KEY_BYTES],
	struct str text);
/** @return false when `sealed` is not what crypto_seal() made with this key */
MUST_CHECK bool crypto_open(struct arena *arena, const unsigned char key[SEAL_KEY_BYTES],
	struct str sealed, struct str *out);

enum { AES_CTR_KEY_BYTES = 32, AES_CTR_IV_BYTES = 16 };

/** AES-256 in counter mode, piece by piece; protects from nobody who changes bytes. Used by one thread at a time. */
struct aes_ctr;
/** A key with an iv is for one text only, ever. */
struct aes_ctr *aes_ctr_create(const unsigned char key[AES_CTR_KEY_BYTES],
	const unsigned char iv[AES_CTR_IV_BYTES]);
void aes_ctr_destroy(struct aes_ctr *cipher);
/** Encrypts (or decrypts, which is the same) a piece where it is. */
void aes_ctr_apply(struct aes_ctr *cipher, char *bytes, size_t size_bytes);

/** A signing key kept ready for use; immutable, any thread. */
struct ed25519_key;

/** From the 32-byte seed (RFC 8032 private key). */
struct ed25519_key *ed25519_key_create(const unsigned char seed[ED25519_SEED_BYTES]);
void ed25519_key_destroy(struct ed25519_key *key);
void ed25519_public(const struct ed25519_key *key, unsigned char out[ED25519_PUBLIC_BYTES]);
void ed25519_sign(const struct ed25519_key *key, struct str message,
	unsigned char out[ED25519_SIGNATURE_BYTES]);
/** `public_key` and `signature` are raw bytes; wrong lengths give false. */
MUST_CHECK bool ed25519_verify(struct str public_key, struct str message, struct str signature);

/**
 * Argon2id hash in PHC text form ("$argon2id$v=19$m=…"). Slow on purpose (tens of milliseconds).
 * @param memory_kib, iterations  cost
 * @return in the arena
 */
struct str password_hash(struct arena *arena, struct str password, uint32_t memory_kib,
	uint32_t iterations);
/** Checks a password against a PHC text; false for unknown formats too. */
MUST_CHECK bool password_verify(struct arena *arena, struct str phc, struct str password);

#endif
