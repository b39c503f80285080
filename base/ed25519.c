/*
 * Signatures, by libsodium: its check takes two thirds of the time of OpenSSL 3.0's and its signing half, and it refuses the same
 * signatures as the library that most homeservers use (keys and points of small order, a scalar that is not reduced), so that no
 * event is good here and bad there.
 */
#include <string.h>

#include <sodium.h>

#include "base/crypto.h"
#include "base/mem.h"

_Static_assert(ED25519_SEED_BYTES == crypto_sign_SEEDBYTES, "RFC 8032");
_Static_assert(ED25519_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES, "RFC 8032");
_Static_assert(ED25519_SIGNATURE_BYTES == crypto_sign_BYTES, "RFC 8032");

struct ed25519_key {
	unsigned char secret[crypto_sign_SECRETKEYBYTES]; /* the seed and the public key */
};

static const unsigned char *bytes_of(struct str s)
{
	return (const unsigned char *)(s.p != NULL ? s.p : "");
}

struct ed25519_key *ed25519_key_create(const unsigned char seed[ED25519_SEED_BYTES])
{
	int ready = sodium_init(); /* any number of times, any thread */
	invariant(ready >= 0);
	struct ed25519_key *key = mem_alloc(sizeof(*key));
	unsigned char public_key[ED25519_PUBLIC_BYTES];
	int made = crypto_sign_seed_keypair(public_key, key->secret, seed);
	invariant(made == 0);
	return key;
}

void ed25519_key_destroy(struct ed25519_key *key)
{
	if (key != NULL) {
		sodium_memzero(key->secret, sizeof(key->secret));
		mem_free(key);
	}
}

void ed25519_public(const struct ed25519_key *key, unsigned char out[ED25519_PUBLIC_BYTES])
{
	memcpy(out, key->secret + ED25519_SEED_BYTES, ED25519_PUBLIC_BYTES);
}

void ed25519_sign(const struct ed25519_key *key, struct str message,
	unsigned char out[ED25519_SIGNATURE_BYTES])
{
	int done = crypto_sign_detached(out, NULL, bytes_of(message), message.n, key->secret);
	invariant(done == 0);
}

bool ed25519_verify(struct str public_key, struct str message, struct str signature)
{
	return public_key.n == ED25519_PUBLIC_BYTES && signature.n == ED25519_SIGNATURE_BYTES &&
		crypto_sign_verify_detached(bytes_of(signature), bytes_of(message), message.n,
			bytes_of(public_key)) == 0;
}
