/*
 * Public keys from their numbers, by OpenSSL 3. A key is made for each check: these are rare.
 */
#include "base/public_key.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum { POINT_BYTES = 1 + 2 * ES256_COORDINATE_BYTES, EXPONENT_MAX_BYTES = 8 };

static const unsigned char *bytes_of(struct str s)
{
	return (const unsigned char *)(s.p != NULL ? s.p : "");
}

/* Owned by the caller; NULL when they are no key. Takes over `build`. */
static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *parameters = build != NULL ? OSSL_PARAM_BLD_to_param(build) : NULL;
	EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	if (parameters == NULL || maker == NULL || EVP_PKEY_fromdata_init(maker) != 1 ||
		EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
		key = NULL;
	}
	EVP_PKEY_CTX_free(maker);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(build);
	return key;
}

/* Frees the key. */
static bool verify(EVP_PKEY *key, struct str message, const unsigned char *signature, size_t size)
{
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	bool is_good = key != NULL && state != NULL &&
		EVP_DigestVerifyInit_ex(state, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
		EVP_DigestVerify(state, signature, size, bytes_of(message), message.n) == 1;
	EVP_MD_CTX_free(state);
	EVP_PKEY_free(key);
	return is_good;
}

bool rs256_verify(struct str modulus, struct str exponent, struct str message, struct str signature)
{
	if (modulus.n < RSA_MIN_BYTES || modulus.n > RSA_MAX_BYTES || exponent.n == 0 ||
		exponent.n > EXPONENT_MAX_BYTES) {
		return false;
	}
	BIGNUM *n = BN_bin2bn(bytes_of(modulus), (int)modulus.n, NULL);
	BIGNUM *e = BN_bin2bn(bytes_of(exponent), (int)exponent.n, NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	bool is_good = n != NULL && e != NULL && build != NULL &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1;
	EVP_PKEY *key = make_key("RSA", build);
	is_good = verify(key, message, bytes_of(signature), signature.n) && is_good;
	BN_free(n);
	BN_free(e);
	return is_good;
}

/* r and s as DER, which OpenSSL wants; freed with OPENSSL_free(). @return its size, 0 when that fails */
static size_t signature_der(struct str signature, unsigned char **out)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(bytes_of(signature), ES256_COORDINATE_BYTES, NULL);
	BIGNUM *s =
		BN_bin2bn(bytes_of(signature) + ES256_COORDINATE_BYTES, ES256_COORDINATE_BYTES, NULL);
	*out = NULL;
	if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(pair);
		return 0;
	}
	int size = i2d_ECDSA_SIG(pair, out);
	ECDSA_SIG_free(pair);
	return size > 0 ? (size_t)size : 0;
}

bool es256_verify(struct str x, struct str y, struct str message, struct str signature)
{
	unsigned char point[POINT_BYTES] = {4}; /* not compressed */
	unsigned char *der;
	if (x.n != ES256_COORDINATE_BYTES || y.n != ES256_COORDINATE_BYTES ||
		signature.n != ES256_SIGNATURE_BYTES) {
		return false;
	}
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + x.n, y.p, y.n);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	bool is_good = build != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1;
	EVP_PKEY *key = make_key("EC", build);
	size_t size = signature_der(signature, &der);
	is_good = verify(key, message, der, size) && is_good && size > 0;
	OPENSSL_free(der);
	return is_good;
}
