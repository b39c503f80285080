/*
 * The keys of an own device, made and published by the same functions that clients' uploads go through, so they are checked alike.
 */
#include "e2ee/own_device_inner.h"

#include <string.h>

#include "base/b64.h"
#include "base/log.h"
#include "e2ee/cross_signing.h"
#include "e2ee/device_keys.h"
#include "e2ee/vault.h"
#include "matrix/device_key.h"
#include "storage/device_key.h"
#include "storage/one_time_key.h"

enum {
	KEYS_KEPT = 50,  /* one-time keys that others can claim: half of what libolm remembers */
	KEYS_LEAST = 25, /* with fewer left new ones are made */
	SEEDS_BYTES = CROSS_USAGE_COUNT * ED25519_SEED_BYTES,
};

/* --- signed objects ---------------------------------------------------------------------------------------- */

static struct json with_signature(struct arena *arena, const struct json *object,
	struct str user_id, struct str key_name, struct str signature)
{
	struct json by = json_object_of(arena, key_id_of(arena, key_name), json_string(signature));
	return json_with(arena, object, STR("signatures"), json_object_of(arena, user_id, by));
}

static struct json sign_by_device(struct arena *arena, const struct own_device *device,
	struct ratchet_account *account, const struct json *object)
{
	return with_signature(arena, object, device->user.s, device->device_id,
		ratchet_account_sign(arena, account, key_body(arena, object)));
}

struct json own_device_keys(struct arena *arena, const struct own_device *device,
	struct ratchet_account *account)
{
	struct json *algorithms = ARENA_NEW_ARRAY(arena, struct json, 2);
	struct json keys = json_object(arena, 2);
	struct json object = json_object(arena, 4);
	algorithms[0] = json_string(OLM_ALGORITHM);
	algorithms[1] = json_string(MEGOLM_ALGORITHM);
	json_put(&keys, str_printf(arena, "curve25519:%.*s", STR_ARG(device->device_id)),
		json_string(device->identity.curve25519));
	json_put(&keys, key_id_of(arena, device->device_id), json_string(device->identity.ed25519));
	json_put(&object, STR("algorithms"), json_array_of(algorithms, 2));
	json_put(&object, STR("device_id"), json_string(device->device_id));
	json_put(&object, STR("keys"), keys);
	json_put(&object, STR("user_id"), json_string(device->user.s));
	return sign_by_device(arena, device, account, &object);
}

static struct json one_time_key(struct arena *arena, const struct own_device *device,
	struct ratchet_account *account, const struct ratchet_key *key, bool is_fallback)
{
	struct json object = json_object(arena, 2);
	json_put(&object, STR("key"), json_string(key->curve25519));
	if (is_fallback) {
		json_put(&object, STR("fallback"), json_boolean(true));
	}
	return sign_by_device(arena, device, account, &object);
}

/* --- one-time keys ------------------------------------------------------------------------------------------- */

static struct str one_time_name(struct arena *arena, const struct ratchet_key *key)
{
	return str_printf(arena, "signed_curve25519:%.*s", STR_ARG(key->key_id));
}

/* Everything of the account that is new. */
static void read_new_keys(struct arena *arena, const struct own_device *device,
	struct ratchet_account *account, struct json *out_one_time, struct json *out_fallback)
{
	struct ratchet_key *keys;
	struct ratchet_key fallback;
	size_t count = ratchet_account_new_keys(arena, account, &keys);
	*out_one_time = json_object(arena, count);
	for (size_t i = 0; i < count; i++) {
		json_put(out_one_time, one_time_name(arena, &keys[i]),
			one_time_key(arena, device, account, &keys[i], false));
	}
	*out_fallback = json_object(arena, 1);
	if (ratchet_account_new_fallback(arena, account, &fallback)) {
		json_put(out_fallback, one_time_name(arena, &fallback),
			one_time_key(arena, device, account, &fallback, true));
	}
}

/* How many one-time keys to make, and whether the fallback key has to be replaced. */
static enum err find_need(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	size_t *out_keys, bool *out_fallback)
{
	struct device_key_state state;
	TRY(store_one_time_key_state(ctx, hs->db, device->user.s, device->device_id, &state));
	int64_t left = 0;
	for (size_t i = 0; i < state.one_time_n; i++) {
		left += str_equals(state.one_time[i].algorithm, STR("signed_curve25519"))
			? state.one_time[i].count
			: 0;
	}
	*out_keys = left < KEYS_LEAST ? (size_t)(KEYS_KEPT - left) : 0;
	*out_fallback = state.unused_fallback_n == 0;
	return ERR_OK;
}

/* Commits new keys; they, and others of before that were not published, are in the maps. */
static enum err make_keys(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	size_t count, bool wants_fallback, struct json *out_one_time, struct json *out_fallback)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	struct ratchet_account *account CLEANUP(own_account_cleanup) = NULL;
	TRY(own_device_begin(ctx, hs, device, &tx, &account));
	read_new_keys(ctx->arena, device, account, out_one_time, out_fallback);
	if (out_one_time->count < count) {
		ratchet_account_make_keys(account, &hs->rng, count - out_one_time->count);
	}
	if (wants_fallback && out_fallback->count == 0) {
		ratchet_account_make_fallback(account, &hs->rng);
	}
	read_new_keys(ctx->arena, device, account, out_one_time, out_fallback);
	TRY(own_account_save(ctx, hs, tx, device->user.s, account));
	return tx_commit(ctx, &tx);
}

static enum err note_published(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	struct ratchet_account *account CLEANUP(own_account_cleanup) = NULL;
	TRY(own_device_begin(ctx, hs, device, &tx, &account));
	ratchet_account_published(account);
	TRY(own_account_save(ctx, hs, tx, device->user.s, account));
	return tx_commit(ctx, &tx);
}

enum err own_keys_replenish(struct ctx *ctx, struct homeserver *hs, const struct own_device *device)
{
	size_t count;
	bool wants_fallback;
	struct json one_time;
	struct json fallback;
	struct str counts;
	TRY(find_need(ctx, hs, device, &count, &wants_fallback));
	if (count == 0 && !wants_fallback) {
		return ERR_OK;
	}
	TRY(make_keys(ctx, hs, device, count, wants_fallback, &one_time, &fallback));
	const struct principal who = own_principal(device);
	const struct keys_upload upload = {.one_time_keys = &one_time, .fallback_keys = &fallback};
	TRY(device_keys_upload(ctx, hs, &who, &upload, &counts));
	return note_published(ctx, hs, device);
}

/* --- cross-signing --------------------------------------------------------------------------------------------- */

/* The user's three keys, from their seeds. */
struct cross_keys {
	struct ed25519_key *keys[CROSS_USAGE_COUNT];
	struct str names[CROSS_USAGE_COUNT]; /* public keys, unpadded Base64 */
};

static void cross_keys_fini(struct cross_keys *cross)
{
	for (size_t i = 0; i < CROSS_USAGE_COUNT; i++) {
		ed25519_key_destroy(cross->keys[i]);
	}
}

static struct str seeds_context(struct arena *arena, struct str user_id)
{
	return str_printf(arena, "own cross-signing keys %.*s", STR_ARG(user_id));
}

static enum err make_seeds(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	char *seeds = arena_alloc(ctx->arena, SEEDS_BYTES);
	rng_fill(&hs->rng, seeds, SEEDS_BYTES);
	return store_own_cross_keys_insert(ctx, hs->db, user_id,
		vault_seal_and_wipe(ctx->arena, hs, seeds_context(ctx->arena, user_id),
			str_from(seeds, SEEDS_BYTES)));
}

static enum err open_seeds(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str sealed, struct cross_keys *out)
{
	struct str seeds;
	TRY(vault_open(ctx, hs, seeds_context(ctx->arena, user_id), sealed, &seeds));
	if (seeds.n != SEEDS_BYTES) {
		return fail_cause(ctx, ERR_INTERNAL, "cross-signing seeds of %zu bytes", seeds.n);
	}
	for (size_t i = 0; i < CROSS_USAGE_COUNT; i++) {
		unsigned char public_key[ED25519_PUBLIC_BYTES];
		out->keys[i] = ed25519_key_create((const unsigned char *)seeds.p + i * ED25519_SEED_BYTES);
		invariant(out->keys[i] != NULL);
		ed25519_public(out->keys[i], public_key);
		out->names[i] =
			b64_encode(ctx->arena, str_from((const char *)public_key, sizeof(public_key)));
	}
	crypto_wipe((char *)(uintptr_t)seeds.p, seeds.n);
	return ERR_OK;
}

static struct json sign_by_cross_key(struct arena *arena, const struct own_device *device,
	const struct cross_keys *cross, enum cross_usage usage, const struct json *object)
{
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	ed25519_sign(cross->keys[usage], key_body(arena, object), signature);
	return with_signature(arena, object, device->user.s, cross->names[usage],
		b64_encode(arena, str_from((const char *)signature, sizeof(signature))));
}

static struct json cross_key_object(struct arena *arena, const struct own_device *device,
	const struct cross_keys *cross, enum cross_usage usage)
{
	struct json *usages = ARENA_NEW(arena, struct json);
	struct json object = json_object(arena, 3);
	*usages = json_string(cross_usage_name(usage));
	json_put(&object, STR("keys"),
		json_object_of(arena, key_id_of(arena, cross->names[usage]),
			json_string(cross->names[usage])));
	json_put(&object, STR("usage"), json_array_of(usages, 1));
	json_put(&object, STR("user_id"), json_string(device->user.s));
	return usage == CROSS_MASTER ? object
								 : sign_by_cross_key(arena, device, cross, CROSS_MASTER, &object);
}

static enum err upload_cross_keys(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct cross_keys *cross)
{
	struct json objects[CROSS_USAGE_COUNT];
	const struct json *list[CROSS_USAGE_COUNT];
	struct cross_upload upload;
	const struct principal who = own_principal(device);
	for (size_t i = 0; i < CROSS_USAGE_COUNT; i++) {
		objects[i] = cross_key_object(ctx->arena, device, cross, (enum cross_usage)i);
		list[i] = &objects[i];
	}
	TRY(cross_signing_check(ctx, hs, &who, list, &upload));
	return cross_signing_store(ctx, hs, &upload);
}

/* The device by the self-signing key. */
static enum err sign_device(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	const struct cross_keys *cross, const struct json *device_keys)
{
	struct sign_failure *failures;
	size_t count;
	const struct principal who = own_principal(device);
	struct json signed_keys =
		sign_by_cross_key(ctx->arena, device, cross, CROSS_SELF_SIGNING, device_keys);
	struct json all = json_object_of(ctx->arena, device->user.s,
		json_object_of(ctx->arena, device->device_id, signed_keys));
	TRY(cross_signing_sign(ctx, hs, &who, &all, &failures, &count));
	return count == 0
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "an own device cannot be signed: %s", failures[0].text);
}

/* What the user has of published keys. */
struct published {
	struct str master; /* p == NULL: none */
	bool is_signed;    /* the device, by that self-signing key */
};

static enum err find_published(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct cross_keys *cross, struct published *out)
{
	struct stored_key *rows;
	size_t n;
	struct str signer = key_id_of(ctx->arena, cross->names[CROSS_SELF_SIGNING]);
	*out = (struct published){0};
	TRY(store_device_key_query(ctx, hs->db, &device->user.s, 1, device->user.s, &rows, &n));
	for (size_t i = 0; i < n; i++) {
		if (rows[i].kind == STORED_CROSS_KEY && str_equals(rows[i].id, STR("master"))) {
			out->master = rows[i].public_key;
		}
		out->is_signed |= rows[i].kind == STORED_SIGNATURE &&
			str_equals(rows[i].id, device->device_id) && str_equals(rows[i].signer_key, signer);
	}
	return ERR_OK;
}

static enum err publish_cross_keys(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct json *device_keys)
{
	struct own_device_row row;
	struct published published;
	struct cross_keys cross CLEANUP(cross_keys_fini) = {0};
	TRY(store_own_device_find(ctx, hs->db, device->user.s, &row));
	if (row.cross_keys.p == NULL) {
		TRY(make_seeds(ctx, hs, device->user.s));
		TRY(store_own_device_find(ctx, hs->db, device->user.s, &row));
	}
	TRY(open_seeds(ctx, hs, device->user.s, row.cross_keys, &cross));
	TRY(find_published(ctx, hs, device, &cross, &published));
	if (published.master.p == NULL) {
		TRY(upload_cross_keys(ctx, hs, device, &cross));
	} else if (!str_equals(published.master, cross.names[CROSS_MASTER])) {
		log_warn(0, "e2ee.own_device_unsigned",
			"device_id=%.*s cause=\"the user has cross-signing keys that are not the server's\"",
			STR_ARG(device->device_id));
		return ERR_OK;
	}
	return published.is_signed ? ERR_OK : sign_device(ctx, hs, device, &cross, device_keys);
}

/* --- all of it ----------------------------------------------------------------------------------------------------- */

enum err own_keys_publish(struct ctx *ctx, struct homeserver *hs, const struct own_device *device)
{
	struct own_device_row row;
	struct ratchet_account *account CLEANUP(own_account_cleanup) = NULL;
	struct str counts;
	TRY(store_own_device_find(ctx, hs->db, device->user.s, &row));
	TRY(own_account_open(ctx, hs, device->user.s, &row, &account));
	struct json keys = own_device_keys(ctx->arena, device, account);
	const struct principal who = own_principal(device);
	const struct keys_upload upload = {.device_keys = &keys};
	TRY(device_keys_upload(ctx, hs, &who, &upload, &counts));
	TRY(publish_cross_keys(ctx, hs, device, &keys));
	return own_keys_replenish(ctx, hs, device);
}
