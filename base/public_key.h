/**
 * Signatures by public keys of others, as JSON Web Signatures have them (RFC 7515, RFC 7518). Wrong input of any kind
 * gives false.
 */
#ifndef BELFRY_BASE_PUBLIC_KEY_H
#define BELFRY_BASE_PUBLIC_KEY_H

#include "base/str.h"

enum {
	ES256_SIGNATURE_BYTES = 64,
	ES256_COORDINATE_BYTES = 32,
	RSA_MIN_BYTES = 256,
	RSA_MAX_BYTES = 1024
};

/**
 * RSASSA-PKCS1-v1_5 with SHA-256.
 * @param modulus, exponent  big-endian, as in a JWK; the modulus has 2048 to 8192 bits
 */
MUST_CHECK bool rs256_verify(struct str modulus, struct str exponent, struct str message,
	struct str signature);

/**
 * ECDSA on P-256 with SHA-256.
 * @param x, y       32 bytes each
 * @param signature  r and s, 32 bytes each
 */
MUST_CHECK bool es256_verify(struct str x, struct str y, struct str message, struct str signature);

#endif
