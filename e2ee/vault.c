/*
 * A random salt makes each key single-use, which is what crypto_seal() asks for.
 */
#include "e2ee/vault.h"

#include <string.h>

#include "base/b64.h"
#include "base/crypto.h"

enum { SALT_BYTES = 16 };

static void make_key(const struct homeserver *hs, struct str salt, struct str context,
	unsigned char out[SEAL_KEY_BYTES])
{
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, SIZE_MAX / 2);
	buf_add(&text, salt);
	buf_add(&text, context);
	crypto_hmac_sha256(str_from((const char *)hs->secrets_key, sizeof(hs->secrets_key)),
		buf_str(&text), out);
}

struct str vault_seal(struct arena *arena, const struct homeserver *hs, struct str context,
	struct str text)
{
	char salt[SALT_BYTES];
	unsigned char key[SEAL_KEY_BYTES];
	rng_fill(&hs->rng, salt, sizeof(salt));
	make_key(hs, str_from(salt, sizeof(salt)), context, key);
	struct str sealed = crypto_seal(arena, key, text);
	crypto_wipe(key, sizeof(key));
	char *out = arena_alloc(arena, SALT_BYTES + sealed.n);
	memcpy(out, salt, SALT_BYTES);
	memcpy(out + SALT_BYTES, sealed.p, sealed.n);
	return b64_encode(arena, str_from(out, SALT_BYTES + sealed.n));
}

struct str vault_seal_and_wipe(struct arena *arena, const struct homeserver *hs, struct str context,
	struct str text)
{
	struct str sealed = vault_seal(arena, hs, context, text);
	crypto_wipe((char *)(uintptr_t)text.p, text.n);
	return sealed;
}

enum err vault_open(struct ctx *ctx, const struct homeserver *hs, struct str context,
	struct str sealed, struct str *out)
{
	bool is_open = false;
	struct str bytes;
	if (b64_decode(ctx->arena, sealed, &bytes) && bytes.n > SALT_BYTES) {
		unsigned char key[SEAL_KEY_BYTES];
		make_key(hs, str_slice(bytes, 0, SALT_BYTES), context, key);
		is_open = crypto_open(ctx->arena, key, str_slice(bytes, SALT_BYTES, bytes.n), out);
		crypto_wipe(key, sizeof(key));
	}
	return is_open
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL,
			  "a secret in the database was sealed under another key than DATA/secrets.key");
}
