/*
 * A nonce is 16 random bytes, the time, and an HMAC of both by a key that is made of the server's secret. Used ones are remembered until
 * they are too old anyway; only who knows the shared secret can use one, so nobody else makes that table grow.
 */
#include "homeserver/account/nonce.h"

#include "base/crypto.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

enum { RANDOM_BYTES = 16, TIME_BYTES = 8, BODY_BYTES = RANDOM_BYTES + TIME_BYTES, MAC_BYTES = 16 };
enum { NONCE_BYTES = BODY_BYTES + MAC_BYTES, NONCE_CHARS = 2 * NONCE_BYTES };

struct nonces {
	struct rng rng;
	unsigned char key[SHA256_BYTES];
	struct lock lock; /* guards the rest */
	struct map used;  /* nonce → int64_t *: when it was made */
};

struct nonces *nonces_create(const struct rng *rng, struct str secret)
{
	struct nonces *nonces = mem_alloc(sizeof(*nonces));
	nonces->rng = *rng;
	crypto_hmac_sha256(secret, STR("registration nonces"), nonces->key);
	lock_init(&nonces->lock, RANK_LEAF);
	map_init(&nonces->used);
	return nonces;
}

/* Forgets those made before a time. */
static void forget_used_locked(struct nonces *nonces, int64_t before_ms)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&nonces->used, &i, &key, &value)) {
		int64_t *made_ms = value;
		if (*made_ms < before_ms) {
			(void)map_remove(&nonces->used, key);
			mem_free(made_ms);
		}
	}
}

void nonces_destroy(struct nonces *nonces)
{
	if (nonces == NULL) {
		return;
	}
	lock_take(&nonces->lock);
	forget_used_locked(nonces, INT64_MAX);
	lock_give(&nonces->lock);
	map_fini(&nonces->used);
	lock_fini(&nonces->lock);
	crypto_wipe(nonces->key, sizeof(nonces->key));
	mem_free(nonces);
}

/* --- the text ---------------------------------------------------------------------------------------- */

static void sign(const struct nonces *nonces, const unsigned char *body,
	unsigned char out[MAC_BYTES])
{
	unsigned char mac[SHA256_BYTES];
	crypto_hmac_sha256(str_from((const char *)nonces->key, sizeof(nonces->key)),
		str_from((const char *)body, BODY_BYTES), mac);
	memcpy(out, mac, MAC_BYTES);
}

struct str nonce_new(struct nonces *nonces, struct arena *arena, int64_t now_ms)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[NONCE_BYTES];
	rng_fill(&nonces->rng, bytes, RANDOM_BYTES);
	for (size_t i = 0; i < TIME_BYTES; i++) {
		bytes[RANDOM_BYTES + i] = (unsigned char)((uint64_t)now_ms >> (8 * (TIME_BYTES - 1 - i)));
	}
	sign(nonces, bytes, bytes + BODY_BYTES);
	char *text = arena_alloc(arena, NONCE_CHARS + 1);
	for (size_t i = 0; i < NONCE_BYTES; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return str_from(text, NONCE_CHARS);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @return false when it is not one of ours */
static bool read_nonce(const struct nonces *nonces, struct str nonce, int64_t *out_made_ms)
{
	unsigned char bytes[NONCE_BYTES];
	if (nonce.n != NONCE_CHARS) {
		return false;
	}
	for (size_t i = 0; i < NONCE_BYTES; i++) {
		int high = hex_value(nonce.p[2 * i]);
		int low = hex_value(nonce.p[2 * i + 1]);
		if (high < 0 || low < 0) {
			return false;
		}
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	unsigned char mac[MAC_BYTES];
	sign(nonces, bytes, mac);
	uint64_t made_ms = 0;
	for (size_t i = 0; i < TIME_BYTES; i++) {
		made_ms = made_ms << 8 | bytes[RANDOM_BYTES + i];
	}
	*out_made_ms = (int64_t)made_ms;
	return crypto_equals(str_from((const char *)mac, MAC_BYTES),
		str_from((const char *)bytes + BODY_BYTES, MAC_BYTES));
}

/* --- use ------------------------------------------------------------------------------------------------ */

static bool is_good_locked(const struct nonces *nonces, struct str nonce, int64_t now_ms,
	int64_t *out_made_ms)
{
	return read_nonce(nonces, nonce, out_made_ms) && now_ms - *out_made_ms <= NONCE_LIFETIME_MS &&
		map_get(&nonces->used, nonce) == NULL;
}

bool nonce_is_good(struct nonces *nonces, struct str nonce, int64_t now_ms)
{
	int64_t made_ms;
	LOCK_SCOPE(&nonces->lock);
	return is_good_locked(nonces, nonce, now_ms, &made_ms);
}

static void remember_locked(struct nonces *nonces, struct str nonce, int64_t made_ms)
{
	int64_t *kept = mem_alloc(sizeof(*kept));
	*kept = made_ms;
	(void)map_set(&nonces->used, nonce, kept);
}

bool nonce_use(struct nonces *nonces, struct str nonce, int64_t now_ms)
{
	int64_t made_ms;
	LOCK_SCOPE(&nonces->lock);
	forget_used_locked(nonces, now_ms - NONCE_LIFETIME_MS);
	if (!is_good_locked(nonces, nonce, now_ms, &made_ms)) {
		return false;
	}
	remember_locked(nonces, nonce, made_ms);
	return true;
}

void nonce_note_used(struct nonces *nonces, struct str nonce, int64_t now_ms)
{
	int64_t made_ms;
	LOCK_SCOPE(&nonces->lock);
	if (is_good_locked(nonces, nonce, now_ms, &made_ms)) {
		remember_locked(nonces, nonce, made_ms);
	}
}
