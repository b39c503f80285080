/*
 * JWTs: header and claims in base64, and an Ed25519 signature over both.
 */
#include "homeserver/account/oauth/oauth_id_token.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "homeserver/account/oauth/oauth.h"
#include "matrix/canonical.h"

enum { KEY_NAME_CHARS = 8 };

static struct ed25519_key *make_key(const struct homeserver *hs)
{
	unsigned char seed[SHA256_BYTES];
	struct str secret = str_from((const char *)hs->secrets_key, sizeof(hs->secrets_key));
	crypto_hmac_sha256(secret, STR("key of identity tokens"), seed);
	struct ed25519_key *key = ed25519_key_create(seed);
	crypto_wipe(seed, sizeof(seed));
	return key;
}

static struct str public_text(struct arena *arena, const struct ed25519_key *key)
{
	unsigned char bytes[ED25519_PUBLIC_BYTES];
	ed25519_public(key, bytes);
	return b64_encode_url(arena, str_from((const char *)bytes, sizeof(bytes)));
}

/* The part of a JWT that an object is. */
static struct str part(struct arena *arena, const struct json *object)
{
	return b64_encode_url(arena, canonical_text(arena, object));
}

static struct str header_part(struct arena *arena, struct str key_name)
{
	struct json header = json_object(arena, 3);
	header = json_with(arena, &header, STR("alg"), json_string(STR("EdDSA")));
	header = json_with(arena, &header, STR("kid"), json_string(key_name));
	header = json_with(arena, &header, STR("typ"), json_string(STR("JWT")));
	return part(arena, &header);
}

static struct str claims_part(struct arena *arena, const struct homeserver *hs,
	const struct oauth_identity *identity)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct json claims = json_object(arena, 6);
	claims = json_with(arena, &claims, STR("iss"), json_string(oauth_issuer(arena, hs)));
	claims = json_with(arena, &claims, STR("sub"), json_string(identity->user_id));
	claims = json_with(arena, &claims, STR("aud"), json_string(identity->client_id));
	claims = json_with(arena, &claims, STR("iat"), json_integer(now_ms / 1000));
	claims = json_with(arena, &claims, STR("exp"),
		json_integer((now_ms + OAUTH_ID_TOKEN_LIFETIME_MS) / 1000));
	if (identity->nonce.p != NULL) {
		claims = json_with(arena, &claims, STR("nonce"), json_string(identity->nonce));
	}
	return part(arena, &claims);
}

struct str oauth_id_token(struct arena *arena, const struct homeserver *hs,
	const struct oauth_identity *identity)
{
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	struct ed25519_key *key = make_key(hs);
	struct str name = str_slice(public_text(arena, key), 0, KEY_NAME_CHARS);
	struct str header = header_part(arena, name);
	struct str claims = claims_part(arena, hs, identity);
	struct str message = str_printf(arena, "%.*s.%.*s", STR_ARG(header), STR_ARG(claims));
	ed25519_sign(key, message, signature);
	ed25519_key_destroy(key);
	struct str end = b64_encode_url(arena, str_from((const char *)signature, sizeof(signature)));
	return str_printf(arena, "%.*s.%.*s", STR_ARG(message), STR_ARG(end));
}

void oauth_id_keys_write(struct json_out *out, struct arena *arena, const struct homeserver *hs)
{
	struct ed25519_key *key = make_key(hs);
	struct str public_key = public_text(arena, key);
	ed25519_key_destroy(key);
	json_out_key_array(out, "keys");
	json_out_object(out);
	json_out_key_str(out, "kty", STR("OKP"));
	json_out_key_str(out, "crv", STR("Ed25519"));
	json_out_key_str(out, "alg", STR("EdDSA"));
	json_out_key_str(out, "use", STR("sig"));
	json_out_key_str(out, "kid", str_slice(public_key, 0, KEY_NAME_CHARS));
	json_out_key_str(out, "x", public_key);
	json_out_end(out);
	json_out_end(out);
}
